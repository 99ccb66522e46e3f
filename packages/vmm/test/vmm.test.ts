/** What a real QEMU does too seldom to wait for: a monitor that says what the test tells it to, and a sleeping process. */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestMemory } from '@drover/native';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { VmmEvent } from '../src/driver.js';
import { processStat, VmmProcess } from '../src/process/vmm-process.js';
import { connectMonitor } from '../src/qemu/monitor.js';
import { vmmPaths } from '../src/qemu/paths.js';
import { StateDescriptionCache } from '../src/qemu/state-descriptions.js';
import { defaultTuning, type QemuTuning } from '../src/qemu/tuning.js';
import { QemuVmm } from '../src/qemu/vmm.js';
import { type Command, type FakeQmp, fakeQmp, refusal } from './support/fake-qmp.js';
import { spec } from './support/specs.js';
import { temporaryDirectory } from './support/temporary.js';

class FakeMemory implements GuestMemory {
  readonly pages = 0;
  closed = false;
  dataPages(): number {
    return 0;
  }
  dataRanges(): Array<[bigint, bigint]> {
    return [];
  }
  async digest() {
    return { digest: '', dataPages: 0 };
  }
  async populate(): Promise<number> {
    return 0;
  }
  close(): void {
    this.closed = true;
  }
}

interface Rig {
  readonly vmm: QemuVmm;
  readonly fake: FakeQmp;
  readonly events: VmmEvent[];
  readonly memory: FakeMemory;
  readonly kill: () => void;
  readonly log: (text: string) => void;
  readonly given: () => string[];
}

async function rig(options: {
  readonly runState?: string;
  readonly answer?: (command: Command, fake: FakeQmp) => unknown;
  readonly tuning?: Partial<QemuTuning>;
}): Promise<Rig> {
  const child = spawn('sleep', ['60']);
  onTestFinished(() => void child.kill('SIGKILL'));
  const pid = child.pid ?? 0;
  const startTime = processStat(pid)?.startTime ?? '';
  const paths = vmmPaths(join(temporaryDirectory(), 'vmm'));
  mkdirSync(paths.directory);
  const runState = options.runState ?? 'running';
  const fake = await fakeQmp({
    path: paths.monitor,
    answer: (command, self) => {
      const reply = options.answer?.(command, self);
      if (reply !== undefined) return reply === 'silence' ? undefined : reply;
      return command.execute === 'query-status' ? { status: runState } : {};
    },
  });
  const tuning = { ...defaultTuning, ...options.tuning };
  const process = new VmmProcess(pid, startTime, child);
  const qmp = await connectMonitor(paths, pid, 1000, tuning);
  const memory = new FakeMemory();
  const record = {
    vmmId: 'v',
    instanceId: 'i',
    identity: {
      driver: 'qemu',
      version: qmp.version,
      machineType: 'pc-q35-7.2',
      accelerator: 'tcg',
      acceleratorReason: '',
    },
    directory: paths.directory,
    logFile: '/dev/null',
    pid,
    pidStartTime: startTime,
    regions: [],
  } as const;
  const vmm = new QemuVmm({
    qemu: { record, paths, process, memory, qmp, runState },
    spec: spec(),
    tuning,
    states: new StateDescriptionCache(),
    logger: pino({ level: 'silent' }),
  });
  onTestFinished(() => vmm.release());
  const events: VmmEvent[] = [];
  vmm.onEvent((event) => events.push(event));
  return {
    vmm,
    fake,
    events,
    memory,
    kill: () => void child.kill('SIGKILL'),
    log: (text) => writeFileSync(paths.processLog, text),
    given: () => fake.commands.map(({ execute }) => execute).slice(1),
  };
}

async function until(condition: () => boolean): Promise<void> {
  for (let left = 500; left > 0 && !condition(); left--) await sleep(10);
  expect(condition()).toBe(true);
}

describe('pausing', () => {
  it('that QEMU does not finish in time is taken back: a failed pause changes nothing (R2)', async () => {
    const { vmm, given } = await rig({
      answer: ({ execute }) => (execute === 'stop' ? 'silence' : undefined),
      tuning: { pauseTimeoutMs: 30 },
    });
    await expect(vmm.pause()).rejects.toMatchObject({ code: 'qmp-timeout' });
    await until(() => given().includes('cont'));
    expect(given()).toEqual(['stop', 'query-status', 'cont']);
  });

  it('of a guest that was paused already never runs it (R1)', async () => {
    const { vmm, given } = await rig({
      runState: 'paused',
      answer: ({ execute }) => (execute === 'stop' ? refusal('no') : undefined),
    });
    await expect(vmm.pause()).rejects.toMatchObject({ code: 'qmp-command-failed' });
    await sleep(20);
    expect(given()).not.toContain('cont');
  });

  it.each(['suspended', 'shutdown', 'guest-panicked', 'internal-error', 'io-error'])(
    'is refused where the guest is %s: it would not stay as it is, or has nothing to go on with',
    async (runState) => {
      const { vmm } = await rig({ runState });
      await expect(vmm.pause()).rejects.toMatchObject({
        code: 'vmm-not-pausable',
        message: expect.stringContaining(runState),
      });
    },
  );
});

describe('resuming', () => {
  it('waits until QEMU has finished a save', async () => {
    let refusals = 3;
    const { vmm, given } = await rig({
      runState: 'finish-migrate',
      answer: ({ execute }) =>
        execute === 'cont' && refusals-- > 0 ? refusal('Migration is not finalized yet') : undefined,
    });
    await vmm.resume();
    expect(given().filter((command) => command === 'cont')).toHaveLength(4);
  });

  it('fails at once for any other reason', async () => {
    const { vmm, given } = await rig({
      answer: ({ execute }) => (execute === 'cont' ? refusal('Failed to get "write" lock') : undefined),
    });
    await expect(vmm.resume()).rejects.toMatchObject({ message: expect.stringContaining('"write" lock') });
    expect(given()).toEqual(['cont']);
  });

  it('of an incoming VMM before it is loaded never reaches QEMU (R1)', async () => {
    const { vmm, given } = await rig({ runState: 'inmigrate' });
    await expect(vmm.resume()).rejects.toMatchObject({ code: 'qemu-not-loaded' });
    expect(given()).toEqual([]);
  });
});

describe('loading', () => {
  it('is no success where QEMU ran the guest by itself (R1)', async () => {
    const { vmm, fake } = await rig({ runState: 'inmigrate' });
    await vmm.prepareLoad();
    fake.event('MIGRATION', { status: 'active' });
    fake.event('RESUME');
    fake.event('MIGRATION', { status: 'completed' });
    await expect(vmm.loaded(1000)).rejects.toMatchObject({ code: 'qemu-load-failed' });
    await expect(vmm.resume()).rejects.toMatchObject({ code: 'qemu-not-loaded' });
  });

  it('listens once, however often it is asked', async () => {
    const { vmm, given } = await rig({ runState: 'inmigrate' });
    expect(await vmm.prepareLoad()).toBe(await vmm.prepareLoad());
    expect(given()).toEqual(['migrate-set-capabilities', 'migrate-incoming']);
  });
});

describe('saving', () => {
  it('waits until QEMU has put the save before behind it, which it would not survive otherwise (R2)', async () => {
    let runState = 'paused';
    const { vmm, given } = await rig({
      runState,
      answer: ({ execute }, self) => {
        if (execute === 'query-status') return { status: runState };
        if (execute !== 'migrate') return undefined;
        runState = 'finish-migrate';
        self.event('MIGRATION', { status: 'completed' });
        return {};
      },
    });
    const signal = new AbortController().signal;
    await vmm.saveState('/s.sock', signal);
    const second = vmm.saveState('/s.sock', signal);
    await until(() => given().filter((command) => command === 'query-status').length > 3);
    expect(given().filter((command) => command === 'migrate')).toHaveLength(1);
    runState = 'postmigrate';
    await second;
    expect(given().filter((command) => command === 'migrate')).toHaveLength(2);
  });

  it('that takes too long is cancelled out of band, and says so', async () => {
    const { vmm, fake } = await rig({
      runState: 'paused',
      tuning: { saveTimeoutMs: 30 },
      answer: ({ execute, outOfBand }, self) => {
        if (execute === 'yank' && outOfBand)
          setTimeout(() => self.event('MIGRATION', { status: 'failed' }), 5);
        return undefined;
      },
    });
    const saving = vmm.saveState('/s.sock', new AbortController().signal);
    await expect(saving).rejects.toMatchObject({
      code: 'qemu-save-failed',
      message: expect.stringContaining('more than 30 ms'),
    });
    expect(fake.commands.map(({ execute }) => execute)).toContain('migrate_cancel');
  });
});

describe('events', () => {
  it('tell of a panic and of a status that follows', async () => {
    const { vmm, fake, events } = await rig({ runState: 'guest-panicked' });
    fake.event('GUEST_PANICKED', { action: 'pause' });
    fake.event('STOP');
    expect(await vmm.status()).toBe('guest-panicked');
    expect(events).toEqual([{ kind: 'guest-panicked', message: 'The guest reported a panic.' }]);
  });

  it('tell why QEMU stopped the guest, and keep quiet about a pause', async () => {
    const failing = await rig({ runState: 'io-error' });
    failing.fake.event('STOP');
    await until(() => failing.events.length > 0);
    expect(failing.events).toEqual([
      { kind: 'failed', message: expect.stringContaining('disk gave an error') },
    ]);
    const pausing = await rig({ runState: 'paused' });
    pausing.fake.event('STOP');
    expect(await pausing.vmm.status()).toBe('paused');
    expect(pausing.events).toEqual([]);
  });

  it('tell only what the guest did, not what an operator did', async () => {
    const { vmm, fake, events } = await rig({});
    fake.event('RESET', { guest: false, reason: 'host-qmp-system-reset' });
    fake.event('SHUTDOWN', { guest: false, reason: 'host-signal' });
    await vmm.status();
    expect(events).toEqual([]);
  });

  it('tell of an end once, with the last words', async () => {
    const { vmm, fake, events, kill, log } = await rig({});
    log('2026-11-21T01:20:00.123456Z qemu-system-x86_64: out of luck\n');
    kill();
    fake.hangUp();
    await until(() => events.length > 0);
    expect(events).toEqual([
      {
        kind: 'exited',
        message: expect.stringMatching(/was ended by SIGKILL\. Its last words: out of luck$/),
      },
    ]);
    expect(await vmm.status()).toBe('gone');
  });

  it('say nothing after a release, which only lets go (R11)', async () => {
    const { vmm, events, memory, given } = await rig({});
    vmm.release();
    await sleep(30);
    expect(events).toEqual([]);
    expect(memory.closed).toBe(true);
    expect(given()).toEqual([]);
    expect(await vmm.status()).toBe('failed');
  });
});
