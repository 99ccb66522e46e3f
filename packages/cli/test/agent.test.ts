import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drover, type Running, startDrover } from './support/run-drover.js';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'drover-a-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function agentCommand(name: string, listen = '127.0.0.1:0'): string[] {
  return [
    ...['agent', '--name', name, '--listen', listen, '--peer-listen', '127.0.0.1:0'],
    ...['--state-dir', join(directory, name, 'state'), '--run-dir', join(directory, name, 'run')],
  ];
}

interface ReadyLine {
  readonly url: string;
}

async function readyLine(running: Running): Promise<ReadyLine> {
  await running.printed('\n');
  return JSON.parse(running.stdout());
}

describe('drover agent', () => {
  it('prints one line when it is ready, logs JSON on standard error, and ends well on SIGTERM', async () => {
    const running = startDrover(agentCommand('one'));
    const line = await readyLine(running);
    running.child.kill('SIGTERM');
    const { code, stdout, stderr } = await running.finished;
    expect(line).toEqual({
      ready: true,
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      peer: { host: '127.0.0.1', port: expect.any(Number) },
    });
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    for (const entry of stderr.trimEnd().split('\n')) expect(JSON.parse(entry)).toHaveProperty('msg');
    expect(code).toBe(0);
  });

  it('answers the other commands while it runs', async () => {
    const running = startDrover(agentCommand('two'));
    const { url } = await readyLine(running);
    const list = await drover(['instance', 'list', '--json', '--agent', url]);
    running.child.kill('SIGINT');
    expect(JSON.parse(list.stdout)).toEqual({ items: [] });
    expect((await running.finished).code).toBe(0);
  });

  it('says which address is in use, exits 1 and leaves nothing listening', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const { code, stdout, stderr } = await drover(agentCommand('three', `127.0.0.1:${port}`));
    server.close();
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(stderr).toContain('[listen-address-in-use]');
  });

  it('refuses a state directory that another agent holds', async () => {
    const first = startDrover(agentCommand('four'));
    await first.printed('\n');
    const second = await drover(agentCommand('four'));
    first.child.kill('SIGTERM');
    await first.finished;
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('[state-directory-in-use]');
  });

  it('refuses an unknown variable before it touches anything', async () => {
    const { code, stderr } = await drover(agentCommand('five'), { environment: { DROVER_LISEN: 'x' } });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^drover: DROVER_LISEN: unknown variable; known: .+ \[cli-config-invalid\]\n$/);
  });
});
