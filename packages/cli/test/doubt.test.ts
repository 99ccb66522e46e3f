import { afterEach, describe, expect, it } from 'vitest';
import { ExitCode } from '../src/exit-codes.js';
import { failed, inDoubt, MIGRATION_ID } from './support/documents.js';
import { type FakeAgent, type FakeAgentScript, startFakeAgent } from './support/fake-agent.js';
import { drover } from './support/run-drover.js';

const agents: FakeAgent[] = [];
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.close()));
});

const doubt = {
  since: new Date(Date.now() - 90_000).toISOString(),
  unknown: 'Whether 10.0.0.2:7701 has taken web-1 over.',
  waitsFor: '10.0.0.2:7701',
  attempts: 12,
  lastAnswer: 'No connection.',
  remedy: 'Bring the agent back.',
};

async function agentWith(script: FakeAgentScript) {
  const agent = await startFakeAgent(script);
  agents.push(agent);
  return { agent, at: ['--agent', agent.url] };
}

describe('a migration in doubt, asked of an agent', () => {
  it('is shown with what is unknown, whom it waits for, how often it was asked and what can be done', async () => {
    const { at } = await agentWith({ migration: { ...inDoubt, doubt } });
    const { code, stdout } = await drover(['migration', 'show', MIGRATION_ID, ...at]);
    expect(code).toBe(ExitCode.ok);
    for (const said of [doubt.unknown, doubt.waitsFor, 'asked 12 times', doubt.lastAnswer, doubt.remedy]) {
      expect(stdout).toContain(said);
    }
  });

  it('is shown with what the journal says, and changed by nothing, where no decision is given', async () => {
    const { agent, at } = await agentWith({ migration: { ...inDoubt, doubt } });
    const { code, stdout } = await drover(['migration', 'resolve', MIGRATION_ID, ...at]);
    expect(code).toBe(ExitCode.inDoubt);
    expect(stdout).toContain('as source: relinquished, epoch 2');
    expect(agent.requests.map(({ endpoint }) => endpoint).sort()).toEqual(['getMigration', 'getOwnership']);
  });

  it('is decided only with the lost host and a reason, and the evidence is shown first', async () => {
    const { agent, at } = await agentWith({ migration: { ...inDoubt, doubt }, afterResolve: failed });
    const resolve = ['migration', 'resolve', MIGRATION_ID, ...at, '--decision', 'take-back'];
    expect((await drover(resolve)).code).toBe(ExitCode.usage);
    expect(agent.requests).toEqual([]);
    const { code, stdout } = await drover([
      ...resolve,
      '--lost-host',
      doubt.waitsFor,
      '--reason',
      'It burnt.',
    ]);
    expect(code).toBe(ExitCode.ok);
    expect(stdout.indexOf(doubt.unknown)).toBeGreaterThanOrEqual(0);
    expect(agent.requests.at(-1)).toMatchObject({
      endpoint: 'resolveMigration',
      body: { decision: 'take-back', lostHost: doubt.waitsFor, reason: 'It burnt.' },
    });
  });

  it('is answered in one document where JSON is asked for', async () => {
    const { at } = await agentWith({ migration: { ...inDoubt, doubt } });
    const { stdout } = await drover(['migration', 'resolve', MIGRATION_ID, ...at, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ migration: { doubt }, ownership: { source: { epoch: '2' } } });
  });
});
