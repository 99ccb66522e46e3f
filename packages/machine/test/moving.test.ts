/** State from one machine process to another. */
import { readFileSync } from 'node:fs';
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

function mayHurry(): boolean {
  try {
    native().beginUrgency();
    native().endUrgency();
    return true;
  } catch {
    return false;
  }
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

  it('is loaded as it comes where that was asked for before, and needs no more (R3)', async () => {
    const source = await running(beatingGuest, 'pages=16 rate=100', '\nB ');
    await source.agent.ask('pause', { timeoutMs: 5000 });
    const target = await awaiting('wall');
    const ahead = target.agent.ask('loadAhead', {});
    expect(await target.agent.ask('resume', {})).toMatchObject({ code: 'not-loaded' });
    await source.agent.ask('saveState', { socket: target.socket, timeoutMs: 5000 });
    expect(await ahead).toEqual({ complete: true });
    expect(await target.agent.ask('status', {})).toMatchObject({ state: 'paused' });
    expect(await target.agent.ask('stateLoaded', {})).toEqual({});
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

  it('leaves in one with the pause and the last dirty pages, to where a connection was made before (R3, R5)', async () => {
    const source = await running(beatingGuest, 'pages=64 rate=1000', '\nB ');
    const { path, content } = await sink();
    expect(await source.agent.ask('connectState', { socket: path, timeoutMs: 5000 })).toEqual({});
    const stop = { timeoutMs: 5000, saveTimeoutMs: 5000 };
    const ask = () => source.agent.ask('saveState', { socket: path, timeoutMs: 5000 });
    await source.agent.ask('startTracking', {});
    await until('it wrote', () => source.machine.log().split('\n').length > 50);
    const stood = await source.agent.ask('standStill', stop);
    expect(stood).toEqual({
      state: 'paused',
      collected: { dirtyPages: expect.any(Number), complete: true, error: null },
    });
    expect((stood as { collected: { dirtyPages: number } }).collected.dirtyPages).toBeGreaterThan(0);
    expect(await source.agent.ask('collect', {})).toMatchObject({ dirtyPages: 0 });
    const { bytes } = (await ask()) as { bytes: number };
    await until('all of it is there', () => content().length === bytes);
    expect(decodeMachineState(content()).ok).toBe(true);
    // Once the guest has gone on, that state is none to be asked for again.
    await source.agent.ask('resume', {});
    await source.agent.ask('standStill', stop);
    expect(await ask()).toEqual({ bytes });
    await until('another one is there', () => content().length === 2 * bytes);
    expect(Buffer.compare(content().subarray(bytes), content().subarray(0, bytes))).not.toBe(0);
  });

  it('is waited for by an urgent thread once it was told to hurry, for a second, where that is permitted', async () => {
    const { machine, agent } = await awaiting();
    // Field 41 of proc(5): 0 SCHED_OTHER, 2 SCHED_RR.
    const policy = () =>
      Number(readFileSync(`/proc/${machine.child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[38]);
    expect(policy()).toBe(0);
    expect(await agent.ask('hurry', {})).toEqual({});
    expect(policy()).toBe(mayHurry() ? 2 : 0);
    await until('it is as it was', () => policy() === 0);
  });

  it('stands still where nothing is tracked and nobody awaits its state, and says so', async () => {
    const source = await running(beatingGuest, 'pages=16 rate=100', '\nB ');
    const nowhere = { socket: '/nowhere/s.sock', timeoutMs: 5000 };
    expect(await source.agent.ask('connectState', nowhere)).toMatchObject({ code: 'state-not-written' });
    const stop = { timeoutMs: 5000, saveTimeoutMs: 5000 };
    expect(await source.agent.ask('standStill', stop)).toEqual({ state: 'paused', collected: null });
    expect(await source.agent.ask('status', {})).toMatchObject({ state: 'paused' });
    expect((await saved(source)).length).toBeGreaterThan(0);
  });

  it('may come before memory is complete: it is loaded when that is asked for, not before (R3)', async () => {
    const source = await running(beatingGuest, 'pages=64 rate=1000', '\nB ');
    const target = await awaiting();
    await source.agent.ask('pause', { timeoutMs: 5000 });
    await source.agent.ask('saveState', { socket: target.socket, timeoutMs: 5000 });
    await sleep(200);
    expect(await target.agent.ask('status', {})).toMatchObject({ state: 'made' });
    await copyMemory(source.machine, target.machine);
    expect(await target.agent.ask('stateLoaded', {})).toEqual({});
    expect(await target.agent.ask('status', {})).toMatchObject({ state: 'paused' });
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
