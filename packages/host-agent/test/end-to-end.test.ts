/** Two agents, stock QEMU, a guest that checks its own memory: the whole path, there and back. */
import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentClient } from '@drover/client';
import { native } from '@drover/native';
import { createQemuDriver } from '@drover/vmm';
import { expect, it, onTestFinished } from 'vitest';
import { type HostAgent, startHostAgent } from '../src/index.js';
import { optionsIn, silent, spec } from './support/agent.js';
import { temporaryDirectory } from './support/directory.js';
import { until } from './support/until.js';

const GUEST = fileURLToPath(new URL('../../../native/guest/build/drover-guest.elf', import.meta.url));

/** Why this cannot be tried here; null when it can. */
async function missing(): Promise<string | null> {
  if (!existsSync(GUEST)) return 'the bare-metal guest was not built';
  const { unusable } = await createQemuDriver({ logger: silent }).probe();
  if (unusable) return unusable;
  const { asyncWriteProtect, pagemapScan } = native().probeTracking();
  return asyncWriteProtect.detail || pagemapScan.detail || null;
}

/** The last full beat in a console log: its counter, and how many pages were found wrong. */
function lastBeat(log: string): { counter: number; bad: number } | null {
  const beat = [...log.matchAll(/^B ([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)$/gm)].at(-1);
  return beat
    ? { counter: Number.parseInt(String(beat[1]), 16), bad: Number.parseInt(String(beat[2]), 16) }
    : null;
}

/** Asks the guest to verify its whole working set. */
async function verify(consoleSocket: string): Promise<string> {
  const socket = connect(consoleSocket);
  try {
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString();
    });
    socket.write('v');
    // With its newline: a line may arrive in pieces.
    const find = async () => /^(V .*)\n/m.exec(text)?.[1] ?? '';
    return await until(find, (line) => line !== '');
  } finally {
    socket.destroy();
  }
}

it('a loaded guest moves to another agent and back, alive and right, and leaves nothing (R1, R3, R11, R12)', async (context) => {
  const reason = await missing();
  if (reason) return context.skip(reason);
  const root = temporaryDirectory();
  const started: { agent: HostAgent; client: AgentClient }[] = [];
  const start = async (name: string) => {
    const agent = await startHostAgent(optionsIn(join(root, name), { name }), { logger: silent });
    const one = { agent, client: new AgentClient({ url: agent.url }) };
    started.push(one);
    return one;
  };
  onTestFinished(async () => {
    for (const { agent, client } of started) {
      // Whatever went wrong, no guest outlives the test.
      await client.stopInstance('loaded', { force: true }).catch(() => undefined);
      await agent.close();
    }
  });
  const north = await start('n');
  const south = await start('s');
  await north.client.createInstance({
    spec: spec('loaded', {
      memoryMiB: 96,
      accelerator: 'tcg',
      boot: { from: 'kernel', kernel: GUEST, cmdline: 'pages=4096 rate=2000' },
    }),
    start: true,
  });
  const beating =
    ({ client }: typeof north) =>
    async () =>
      lastBeat(await client.getInstanceLog('loaded'));
  let beat = await until(beating(north), (found) => found !== null);

  for (const [from, to] of [
    [north, south],
    [south, north],
  ] as const) {
    const migration = await from.client.startMigration({
      instance: 'loaded',
      destination: to.agent.peer,
      settings: { verify: true },
    });
    const events = [];
    for await (const event of from.client.watchMigration(migration.id)) events.push(event);
    expect(events.at(-1)).toMatchObject({
      kind: 'ended',
      migration: { state: 'completed', report: { verified: true } },
    });
    expect(events.some(({ kind }) => kind === 'progress')).toBe(true);
    expect(await from.client.listInstances()).toEqual([]);
    const before = beat?.counter ?? 0;
    beat = await until(beating(to), (found) => found !== null && found.counter > before);
    expect(beat?.bad).toBe(0);
    const { consoleSocket, state } = await to.client.getInstance('loaded');
    expect(state.life).toBe('running');
    expect(await verify(String(consoleSocket))).toMatch(/bad=0$/);
  }
  expect((await north.client.getInstance('loaded')).state.epoch).toBe('3');

  await north.agent.close();
  const again = await start('n');
  const { counter = 0 } = beat ?? {};
  await until(beating(again), (found) => found !== null && found.counter > counter);
  const { state } = await again.client.getInstance('loaded');
  await again.client.stopInstance('loaded', { force: true });
  await again.client.deleteInstance('loaded');
  expect(existsSync(`/proc/${state.pid}`)).toBe(false);
  for (const { agent } of started) await agent.close();
  for (const name of ['n', 's']) expect(readdirSync(join(root, name, 'run'))).toEqual([]);
}, 60_000);
