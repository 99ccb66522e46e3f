/** State from one machine process to another. */
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { native } from '@drover/native';
import { decodeMachineState, encodeMachineState, type StatePayload } from '@drover/protocol';
import { expect, it } from 'vitest';
import { copyMemory } from './support/copy-memory.js';
import { beatingGuest, stateGuest } from './support/guests.js';
import {
  type Connection,
  describeMachine,
  type MachineProcess,
  startMachine,
  until,
} from './support/machine-process.js';
import { sink } from './support/sink.js';

/** Well over the error that a host may make in setting a guest's TSC, ms. */
const STANDSTILL_MS = 500;

interface Running {
  readonly machine: MachineProcess;
  readonly agent: Connection;
}

async function running(kernel: string, commandLine: string, said: string): Promise<Running> {
  const source = await startMachine();
  await source.agent.ask('boot', { kernel, initrd: null, commandLine });
  await source.agent.ask('resume', {});
  await until('the guest runs', () => source.machine.log().includes(said));
  return source;
}

async function awaiting(clock: 'wall' | 'stopped' = 'wall'): Promise<Running & { socket: string }> {
  const target = await startMachine();
  const socket = join(target.machine.directory, 's.sock');
  expect(await target.agent.ask('awaitState', { socket, clock })).toEqual({});
  return { ...target, socket };
}

/** The state stream of a paused guest. */
async function saved({ agent }: Running): Promise<Uint8Array> {
  const { path, content } = await sink();
  const { bytes } = (await agent.ask('saveState', { socket: path, timeoutMs: 5000 })) as { bytes: number };
  await until('all of it is there', () => content().length === bytes);
  return content();
}

describeMachine('the state of a machine', () => {
  it.each([
    ['beats', beatingGuest, 'pages=64 rate=1000', '\nB '],
    ['ticks, times, registers and MSRs', stateGuest, 'check=run', '\nT '],
  ] as const)(
    'goes to another process, where the guest goes on (R1, R3): %s',
    async (_, kernel, line, sign) => {
      const source = await running(kernel, line, sign);
      const target = await awaiting();
      const loaded = target.agent.ask('stateLoaded', {});
      expect(await source.agent.ask('pause', { timeoutMs: 5000 })).toEqual({ state: 'paused' });
      await copyMemory(source.machine, target.machine);
      const args = { socket: target.socket, timeoutMs: 5000 };
      expect(await source.agent.ask('saveState', args)).toMatchObject({ bytes: expect.any(Number) });
      expect(await loaded).toEqual({});
      expect(await target.agent.ask('status', {})).toMatchObject({ state: 'paused' });
      expect(target.machine.log()).toBe('');
      await target.agent.ask('resume', {});
      await until('the guest goes on', () => target.machine.log().includes(sign));
      expect(target.machine.log()).not.toContain('BAD');
      expect(await source.agent.ask('status', {})).toMatchObject({ state: 'paused' });
    },
  );

  it('lets time stand still where that is asked for, or is refused where this KVM has no time but the host\u2019s', async () => {
    const source = await running(stateGuest, 'check=run', '\nT ');
    const target = await awaiting('stopped');
    await source.agent.ask('pause', { timeoutMs: 5000 });
    await copyMemory(source.machine, target.machine);
    const state = await saved(source);
    await sleep(STANDSTILL_MS);
    createConnection(target.socket).end(state);
    const outcome = await target.agent.ask('stateLoaded', {});
    if (native().probeKvm().kind === 'emulated') {
      expect(outcome).toMatchObject({
        code: 'native-unsupported',
        message: expect.stringMatching(/IA32_TSC/),
      });
      return;
    }
    expect(outcome).toEqual({});
    await target.agent.ask('resume', {});
    await until('the guest goes on', () => target.machine.log().includes('\nT '));
    expect(target.machine.log()).not.toContain('BAD');
  });

  it('can be saved again, and the guest goes on where it is (R2)', async () => {
    const source = await running(beatingGuest, 'pages=16 rate=100', '\nB ');
    expect(await source.agent.ask('saveState', { socket: '/nowhere/s.sock', timeoutMs: 5000 })).toMatchObject(
      { code: 'native-closed' },
    );
    await source.agent.ask('pause', { timeoutMs: 5000 });
    expect(await source.agent.ask('saveState', { socket: '/nowhere/s.sock', timeoutMs: 5000 })).toMatchObject(
      { code: 'state-not-written' },
    );
    expect((await saved(source)).length).toBeGreaterThan(0);
    expect((await saved(source)).length).toBeGreaterThan(0);
    const length = source.machine.log().length;
    await source.agent.ask('resume', {});
    await until('the guest goes on', () => source.machine.log().length > length + 100);
  });

  it('is refused by name when a part is unknown, missing, there twice, of another version or cut short (R6, R7)', async () => {
    const source = await running(beatingGuest, 'pages=16 rate=100', '\nB ');
    await source.agent.ask('pause', { timeoutMs: 5000 });
    const whole = decodeMachineState(await saved(source));
    if (!whole.ok) throw new Error(whole.error.message);
    const pit = (change: (payload: StatePayload) => StatePayload[]): StatePayload[] =>
      whole.value.flatMap((payload) => (payload.kind === 'machine/pit' ? change(payload) : [payload]));
    const cases: [StatePayload[], string][] = [
      [pit(() => []), 'native-invalid-argument'],
      [pit((payload) => [payload, payload]), 'native-invalid-argument'],
      [pit((payload) => [{ ...payload, kind: 'machine/tpm' }]), 'native-invalid-argument'],
      [pit((payload) => [{ ...payload, version: 99 }]), 'native-unsupported'],
      [pit((payload) => [{ ...payload, data: payload.data.subarray(1) }]), 'native-invalid-argument'],
    ];
    for (const [payloads, code] of cases) {
      const target = await awaiting();
      createConnection(target.socket).end(encodeMachineState(payloads));
      expect(await target.agent.ask('stateLoaded', {})).toMatchObject({
        code,
        message: expect.stringMatching(/pit|tpm/),
      });
      expect(await target.agent.ask('resume', {})).toMatchObject({ code: 'not-loaded' });
    }
  });

  it('is refused when its stream is not one, or breaks off (R6)', async () => {
    for (const stream of [Buffer.from('QEVM'), Buffer.alloc(24), Buffer.alloc(100_000, 0x61)]) {
      const target = await awaiting();
      createConnection(target.socket)
        .on('error', () => {})
        .end(stream);
      expect(await target.agent.ask('stateLoaded', {})).toMatchObject({ code: 'state-refused' });
    }
  });

  it('writes what this release reads', async () => {
    const source = await running(beatingGuest, 'pages=16 rate=100', '\nB ');
    await source.agent.ask('pause', { timeoutMs: 5000 });
    const read = decodeMachineState(await saved(source));
    const kinds = native().machinePayloadKinds();
    const written = read.ok ? read.value.map(({ kind }) => kind) : [];
    expect([...new Set(written)].toSorted()).toEqual(Object.keys(kinds).toSorted());
  });
});
