/** The driver with real QEMU processes. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { native } from '@drover/native';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Vmm, VmmEvent } from '../src/driver.js';
import { processStat } from '../src/qemu/process.js';
import { driver, launch, owned, request, type, until, whyNoQemu } from './support/qemu.js';
import { serialPort } from './support/specs.js';
import { temporaryDirectory } from './support/temporary.js';

const why = whyNoQemu();
const kvm = why === null ? native().probeKvm().kind : 'absent';
if (why !== null) console.log(`skipped: the tests with a real QEMU, because ${why}`);

/** A unix socket that forgets what it is sent, as an agent that carries device state would not. */
async function sink(): Promise<{ path: string; bytes: () => number; server: Server }> {
  const path = join(temporaryDirectory(), 'sink.sock');
  let bytes = 0;
  const server = createServer((socket) => {
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
  return { path, bytes: () => bytes, server };
}

function neverAborted(): AbortSignal {
  return new AbortController().signal;
}

function nothingLeftOf({ record }: Vmm): void {
  // After an adoption this process is still the parent, and may not have reaped it yet.
  expect([undefined, 'Z']).toContain(processStat(record.pid)?.state);
  expect(existsSync(record.directory)).toBe(false);
}

describe.skipIf(why !== null)('a QEMU', () => {
  it('is launched paused and runs only when told (R1)', async () => {
    const { vmm, log } = await launch();
    expect(await vmm.status()).toBe('paused');
    await sleep(200);
    expect(log()).toBe('');
    await vmm.resume();
    expect(await vmm.status()).toBe('running');
    await until('the guest prints', () => log().startsWith('A..'));
    await vmm.pause();
    expect(await vmm.status()).toBe('paused');
    const printed = log();
    await sleep(100);
    expect(log()).toBe(printed);
    await vmm.resume();
    await until('the guest goes on', () => log().length > printed.length);
  });

  it('says exactly what it is', async () => {
    const { vmm } = await launch({ machineType: 'q35' });
    expect(vmm.record.identity).toMatchObject({
      driver: 'qemu',
      accelerator: 'tcg',
      acceleratorReason: 'The spec asks for TCG.',
      machineType: expect.stringMatching(/^pc-q35-\d+\.\d+$/),
      version: (await driver().probe()).version,
    });
    expect(vmm.regions).toEqual([{ id: 'ram0', sizeBytes: 64n * 1024n * 1024n }]);
    expect(JSON.parse(JSON.stringify(vmm.record))).toEqual(vmm.record);
  });

  it.each(['pc', 'microvm'])('runs as machine type %s too', async (machineType) => {
    const { vmm, log } = await launch({ machineType });
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
  });

  it('shares its memory: what the guest writes is seen from outside', async () => {
    const { vmm, log } = await launch();
    expect(vmm.memory.pages).toBe(16384);
    const before = vmm.memory.dataPages();
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    await vmm.pause();
    expect(vmm.memory.dataPages()).toBeGreaterThanOrEqual(before + 1024);
    expect(vmm.memory.dataPages()).toBeLessThan(8192);
  });

  it('is tracked from outside: the pages that the guest writes are found', async () => {
    const { vmm, log } = await launch();
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    const tracker = vmm.tracker();
    onTestFinished(() => tracker.stop());
    expect(tracker).toMatchObject({ name: 'pagemap-scan', needsQuiescedRounds: false });
    await tracker.start();
    const printed = log().length;
    await until('a whole pass', () => log().length > printed + 2);
    await vmm.pause();
    const dirty = native().createBitmap(vmm.memory);
    const collected = await tracker.collect(dirty);
    expect(collected).toMatchObject({ complete: true, error: null });
    expect(collected.dirtyPages).toBeGreaterThanOrEqual(1024);
    expect(collected.dirtyPages).toBeLessThan(4096);
    expect(await tracker.collect(native().createBitmap(vmm.memory))).toMatchObject({ dirtyPages: 0 });
  });

  it('asks for quiesced rounds where a disk is opened with O_DIRECT', async () => {
    const path = join('/var/tmp', `drover-direct-${process.pid}`);
    writeFileSync(path, Buffer.alloc(1024 * 1024));
    onTestFinished(async () => (await import('node:fs/promises')).rm(path, { force: true }));
    const { vmm } = await launch({
      components: {
        ...serialPort,
        root: { kind: 'virtio-disk', backend: 'file' },
        file: { kind: 'file-storage', path, format: 'raw', cache: 'none' },
      },
    });
    expect(vmm.tracker().needsQuiescedRounds).toBe(true);
    expect(await vmm.blockers()).toEqual([]);
  });

  it('with disks and a network starts, and names what QEMU cannot move', async () => {
    const path = join(temporaryDirectory(), 'a,b.img');
    writeFileSync(path, Buffer.alloc(1024 * 1024));
    const { vmm, log } = await launch({
      components: {
        ...serialPort,
        data: { kind: 'nvme-disk', backend: 'file', serial: 'S1' },
        file: { kind: 'file-storage', path, format: 'raw' },
        lan: { kind: 'virtio-nic', backend: 'user', mac: '52:54:00:00:00:01', pciSlot: 17 },
        user: { kind: 'user-network' },
      },
    });
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    await vmm.announce();
    expect((await vmm.blockers()).map(({ code }) => code)).toEqual(['blocker-nvme', 'blocker-qemu']);
  });

  it('is found again by another agent, guest untouched (R11)', async () => {
    const { vmm, log, launched } = await launch();
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    vmm.release();
    vmm.release();
    const printed = log().length;
    await until('the guest goes on without an agent', () => log().length > printed);
    const again = owned(await driver().adopt(JSON.parse(JSON.stringify(vmm.record)), launched.spec));
    expect(await again.status()).toBe('running');
    expect(again.memory.dataPages()).toBeGreaterThan(1024);
    const tracker = again.tracker();
    await tracker.start();
    tracker.stop();
    await again.pause();
    await again.destroy();
    nothingLeftOf(again);
  });

  it('that has ended is gone, and its directory with it', async () => {
    const { vmm, launched } = await launch();
    vmm.release();
    process.kill(vmm.record.pid, 'SIGKILL');
    await until('it ends', () => processStat(vmm.record.pid)?.state !== 'S');
    await expect(driver().adopt(vmm.record, launched.spec)).rejects.toMatchObject({ code: 'vmm-gone' });
    nothingLeftOf(vmm);
  });

  it('under a reused pid is not adopted', async () => {
    const { launched } = await launch();
    const record = { ...(await launch()).vmm.record, directory: join(launched.directory, 'none') };
    await expect(driver().adopt({ ...record, pidStartTime: '1' }, launched.spec)).rejects.toMatchObject({
      code: 'vmm-gone',
    });
    await expect(
      driver().adopt({ ...record, regions: [{ id: 'ram0', sizeBytes: '4096', vmmFd: 3 }] }, launched.spec),
    ).rejects.toMatchObject({
      code: 'vmm-not-adoptable',
      message: expect.stringContaining('67108864 bytes'),
    });
    await expect(
      driver().adopt({ ...record, regions: [{ id: 'ram0', sizeBytes: '4096', vmmFd: 1 }] }, launched.spec),
    ).rejects.toMatchObject({ code: 'vmm-not-adoptable', message: expect.stringContaining('qemu.log') });
    expect(processStat(record.pid)).not.toBeNull();
  });

  it('leaves nothing when it is destroyed, running or paused, once or twice (R12)', async () => {
    const { vmm, launched } = await launch();
    await vmm.resume();
    const events: VmmEvent[] = [];
    vmm.onEvent((event) => events.push(event));
    await Promise.all([vmm.destroy(), vmm.destroy()]);
    await vmm.destroy();
    nothingLeftOf(vmm);
    expect(await vmm.status()).toBe('gone');
    expect(events).toEqual([]);
    expect(existsSync(launched.logFile)).toBe(true);
  });

  it('that was killed is reported, with the signal, and can still be destroyed', async () => {
    const { vmm } = await launch();
    const exited = new Promise<VmmEvent>((resolve) => vmm.onEvent(resolve));
    process.kill(vmm.record.pid, 'SIGKILL');
    expect(await exited).toMatchObject({ kind: 'exited', message: expect.stringContaining('SIGKILL') });
    expect(await vmm.status()).toBe('gone');
    await expect(vmm.pause()).rejects.toMatchObject({ code: 'qmp-closed' });
    await vmm.destroy();
    nothingLeftOf(vmm);
  });

  it('that does not answer is killed', async () => {
    const made = request();
    const vmm = owned(await driver({ tuning: { quitTimeoutMs: 100 } }).launch(made));
    process.kill(vmm.record.pid, 'SIGSTOP');
    await vmm.destroy();
    nothingLeftOf(vmm);
  });
});

describe.skipIf(why !== null)('a guest that does something by itself', () => {
  it('powers off: a status, an event, and the process stays to be asked', async () => {
    const { vmm, log } = await launch();
    const events: VmmEvent[] = [];
    vmm.onEvent((event) => events.push(event));
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    expect(await vmm.powerDown(100)).toBe(false);
    await type(vmm, 'p');
    await until('the guest is off', async () => (await vmm.status()) === 'guest-stopped');
    expect(events.map(({ kind }) => kind)).toEqual(['guest-shutdown']);
    expect(await vmm.powerDown(100)).toBe(true);
    await expect(vmm.pause()).rejects.toMatchObject({ code: 'vmm-not-pausable' });
    await expect(vmm.resume()).rejects.toMatchObject({ code: 'qmp-command-failed' });
  });

  it('resets: an event, and it goes on', async () => {
    const { vmm, log } = await launch();
    const events: VmmEvent[] = [];
    vmm.onEvent((event) => events.push(event));
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    await type(vmm, 'r');
    await until('the guest starts again', () => log().indexOf('A..', 3) > 0);
    // SeaBIOS may turn one reset into more.
    expect(new Set(events.map(({ kind }) => kind))).toEqual(new Set(['guest-reset']));
  });

  if (kvm !== 'emulated') console.log(`skipped: a guest that KVM cannot emulate, because /dev/kvm is ${kvm}`);
  it.skipIf(kvm !== 'emulated')(
    'cannot be emulated: failed, with the place',
    { timeout: 120_000 },
    async () => {
      // Firmware is what takes long on such a host; microvm's is the shortest.
      const { vmm, log } = await launch({
        accelerator: 'auto',
        machineType: 'microvm',
        cpu: { model: 'qemu64', features: { cx16: false } },
      });
      expect(vmm.record.identity.accelerator).toBe('kvm');
      const events: VmmEvent[] = [];
      vmm.onEvent((event) => events.push(event));
      await vmm.resume();
      await until('the guest prints', () => log().startsWith('A..'), 100);
      await type(vmm, 'x');
      await until('the guest failed', async () => (await vmm.status()) === 'failed');
      await until('the event', () => events.length > 0);
      expect(events).toEqual([
        { kind: 'failed', message: expect.stringMatching(/KVM internal error.*EIP=0010/) },
      ]);
    },
  );
});

describe.skipIf(why !== null)('device state', () => {
  const guests = [
    { machineType: 'q35', accelerator: 'tcg' },
    { machineType: 'microvm', accelerator: 'kvm' },
  ] as const;
  const usable = guests.filter(
    ({ accelerator }) => accelerator === 'tcg' || kvm === 'full' || kvm === 'emulated',
  );
  if (usable.length < guests.length)
    console.log(`skipped: device state under KVM, because /dev/kvm is ${kvm}`);
  it.each(usable)(
    'moves to a second QEMU, which goes on from where the first stopped (R1, R3): %j',
    async (guest) => {
      const input = { ...guest, cpu: { model: 'qemu64', features: { cx16: false } } };
      const source = await launch(input);
      await source.vmm.resume();
      await until('the guest prints', () => source.log().startsWith('A..'));
      const target = await launch(input, {
        incoming: true,
        identity: source.vmm.record.identity,
        instanceId: source.launched.instanceId,
      });
      expect(await target.vmm.status()).toBe('paused');
      await expect(target.vmm.resume()).rejects.toMatchObject({ code: 'qemu-not-loaded' });
      await source.vmm.prepareSave();
      const socket = await target.vmm.prepareLoad();
      await source.vmm.pause();
      await copyMemory(source.vmm, target.vmm);
      await Promise.all([source.vmm.saveState(socket, neverAborted()), target.vmm.loaded(5000)]);
      await sleep(100);
      expect(await source.vmm.status()).toBe('paused');
      expect(await target.vmm.status()).toBe('paused');
      expect(target.log()).toBe('');
      await target.vmm.resume();
      await target.vmm.announce();
      await until('the guest goes on there', () => target.log().startsWith('...'));
      expect(await source.vmm.status()).toBe('paused');
      await target.vmm.pause();
      await target.vmm.resume();
    },
  );

  it('is loaded without taking the disks: the source can still take back (R2)', async () => {
    const path = join(temporaryDirectory(), 'disk.img');
    writeFileSync(path, Buffer.alloc(1024 * 1024));
    const components = {
      ...serialPort,
      root: { kind: 'virtio-disk', backend: 'file' },
      file: { kind: 'file-storage', path, format: 'raw' },
    } as const;
    const source = await launch({ components });
    await source.vmm.resume();
    await until('the guest prints', () => source.log().startsWith('A..'));
    const identity = source.vmm.record.identity;
    const move = async () => {
      const target = await launch({ components }, { incoming: true, identity });
      await source.vmm.prepareSave();
      const socket = await target.vmm.prepareLoad();
      await source.vmm.pause();
      await copyMemory(source.vmm, target.vmm);
      await Promise.all([source.vmm.saveState(socket, neverAborted()), target.vmm.loaded(5000)]);
      return target;
    };
    const abandoned = await move();
    await source.vmm.resume();
    expect(await source.vmm.status()).toBe('running');
    await abandoned.vmm.destroy();
    const chosen = await move();
    // An agent that restarts between READY and COMMIT finds it loaded.
    chosen.vmm.release();
    const again = owned(await driver().adopt(chosen.vmm.record, chosen.launched.spec));
    expect(await again.status()).toBe('paused');
    await again.resume();
    await until('the guest goes on there', () => chosen.log().startsWith('...'));
    await expect(source.vmm.resume()).rejects.toMatchObject({ message: expect.stringContaining('lock') });
  });

  it('can be saved again and again, the guest revived in between (R2)', async () => {
    const { vmm, log } = await launch();
    const { path, bytes } = await sink();
    await vmm.prepareSave();
    let before = 0;
    for (let round = 0; round < 3; round++) {
      await vmm.resume();
      const printed = log().length;
      await until('the guest goes on', () => log().length > printed + 2);
      await vmm.pause();
      await vmm.saveState(path, neverAborted());
      await until('all of it came', () => bytes() > before + 10_000);
      before = bytes();
    }
    // QEMU itself asks for a resume in between.
    await expect(vmm.saveState(path, neverAborted())).rejects.toMatchObject({ code: 'qemu-save-failed' });
    await vmm.resume();
    expect(await vmm.status()).toBe('running');
  });

  it('is not saved of a running guest, nor loaded where nothing is awaited', async () => {
    const { vmm } = await launch();
    await vmm.resume();
    await vmm.prepareSave();
    await expect(vmm.saveState('/nowhere.sock', neverAborted())).rejects.toMatchObject({
      code: 'vmm-running',
    });
    await expect(vmm.prepareLoad()).rejects.toMatchObject({ code: 'qemu-not-loaded' });
    await expect(vmm.loaded(10)).rejects.toMatchObject({ code: 'qemu-not-loaded' });
  });

  it("that nobody takes fails with QEMU's words, and the guest can be resumed (R2)", async () => {
    const { vmm } = await launch();
    await vmm.prepareSave();
    await expect(vmm.saveState('/tmp/drv-nobody.sock', neverAborted())).rejects.toMatchObject({
      code: 'qemu-save-failed',
      message: expect.stringContaining('/tmp/drv-nobody.sock'),
    });
    await vmm.resume();
    expect(await vmm.status()).toBe('running');
  });

  it('can be cancelled while it is written, and the guest resumed (R2, R12)', async () => {
    const { vmm, log } = await launch();
    const path = join(temporaryDirectory(), 'stuck.sock');
    const held: Socket[] = [];
    const server = createServer({ pauseOnConnect: true }, (socket) => held.push(socket));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    onTestFinished(() => {
      for (const socket of held) socket.destroy();
      server.close();
    });
    await vmm.prepareSave();
    const abort = new AbortController();
    const saving = vmm.saveState(path, abort.signal);
    setTimeout(() => abort.abort(), 100);
    await expect(saving).rejects.toMatchObject({ code: 'qemu-save-cancelled' });
    await expect(vmm.saveState(path, abort.signal)).rejects.toMatchObject({ code: 'qemu-save-cancelled' });
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    await vmm.pause();
    const { path: open } = await sink();
    await vmm.saveState(open, neverAborted());
  });

  it('that is not device state, or never comes, is refused with the reason (R6)', async () => {
    for (const [text, timeoutMs, reason] of [
      ['rubbish'.repeat(100), 5000, /Not a migration stream|load of migration failed/],
      [null, 50, /within 50 ms/],
    ] as const) {
      const { vmm } = await launch({}, { incoming: true });
      const path = await vmm.prepareLoad();
      if (text !== null) {
        const { createConnection } = await import('node:net');
        const socket = createConnection(path, () => socket.end(text));
        socket.on('error', () => {});
      }
      await expect(vmm.loaded(timeoutMs)).rejects.toMatchObject({
        code: 'qemu-load-failed',
        message: expect.stringMatching(reason),
      });
      await expect(vmm.resume()).rejects.toMatchObject({ code: 'qemu-not-loaded' });
      await vmm.destroy();
      nothingLeftOf(vmm);
    }
  });

  it('is taken once: an adopted VMM knows whether it has it', async () => {
    const { vmm, launched } = await launch({}, { incoming: true });
    vmm.release();
    const again = owned(await driver().adopt(vmm.record, launched.spec));
    await expect(again.resume()).rejects.toMatchObject({ code: 'qemu-not-loaded' });
    expect(await again.prepareLoad()).toContain('state.sock');
  });
});

describe.skipIf(why !== null)('a launch that fails', () => {
  /** Nothing but the request's own root is left. */
  function nothingLeftBy(directory: string): void {
    expect(readdirSync(dirname(directory))).toEqual([]);
  }

  it("tells QEMU's own last message and leaves nothing (R12)", async () => {
    const made = request({ cpu: { model: 'qemu64', features: { 'no-such-feature': true } } });
    await expect(driver().launch(made)).rejects.toMatchObject({
      code: 'qemu-start-failed',
      message: expect.stringContaining('no-such-feature'),
    });
    nothingLeftBy(made.directory);
  });

  it('ends at its deadline when QEMU does not answer, and leaves nothing', async () => {
    const made = request();
    await expect(driver({ tuning: { launchTimeoutMs: 1 } }).launch(made)).rejects.toMatchObject({
      code: 'qemu-start-failed',
    });
    nothingLeftBy(made.directory);
  });

  it('can be cancelled, and leaves nothing', async () => {
    for (const delay of [0, 15, 40]) {
      const abort = new AbortController();
      const made = request({}, { signal: abort.signal });
      const launching = driver().launch(made);
      setTimeout(() => abort.abort(), delay);
      const outcome = await launching.then(
        (vmm) => vmm.destroy(),
        (error: Error) => error,
      );
      if (outcome) expect(outcome).toMatchObject({ code: 'qmp-cancelled' });
      expect(existsSync(made.directory)).toBe(false);
    }
  });

  it('without the shim is refused: its memory could not be tracked', async () => {
    const made = request();
    await expect(driver({ shimLibrary: '/nowhere.so' }).launch(made)).rejects.toMatchObject({
      code: 'shim-missing',
    });
    nothingLeftBy(made.directory);
  });

  it('does not touch a directory that is in use', async () => {
    const { launched, vmm } = await launch();
    await expect(driver().launch({ ...request(), directory: launched.directory })).rejects.toMatchObject({
      code: 'vmm-directory-in-use',
    });
    expect(await vmm.status()).toBe('paused');
  });

  it.each([
    ['a missing kernel', { boot: { from: 'kernel', kernel: '/nowhere/vmlinuz' } }, 'boot-file-unreadable'],
    ['an unknown machine type', { machineType: 'pc-q35-99.0' }, 'machine-type-unknown'],
    ['too much memory', { memoryMiB: 16 * 1024 * 1024 }, 'memory-insufficient'],
    ['vhost-user', { components: { n: { kind: 'vhost-user-network', socket: '/s' } } }, 'blocker-vhost-user'],
  ] as const)('is refused before anything is made: %s', async (_what, input, code) => {
    const made = request(input);
    await expect(driver().launch(made)).rejects.toMatchObject({ code });
    await expect(driver().check(made.spec)).rejects.toMatchObject({ code });
    nothingLeftBy(made.directory);
  });

  it('is refused where the instance runs under an accelerator that is not there (R7)', async () => {
    const { vmm } = await launch();
    const kvm = () => ({ kind: 'absent', detail: '' }) as const;
    const made = request({}, { identity: { ...vmm.record.identity, accelerator: 'kvm' }, incoming: true });
    await expect(driver({ kvm }).launch(made)).rejects.toMatchObject({ code: 'accelerator-unusable' });
    nothingLeftBy(made.directory);
  });
});

describe('the probe', () => {
  it.skipIf(why !== null)('tells the version', async () => {
    expect(await driver().probe()).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      unusable: null,
    });
  });

  it.each([
    ['is not there', 'no-such-qemu', /no program no-such-qemu was found.*apt-get install/],
    ['is another program', '/bin/true', /does not start/],
  ])('says what to do where QEMU %s', async (_what, qemuBinary, message) => {
    const probe = await driver({ qemuBinary, shimLibrary: '/x' }).probe();
    expect(probe).toEqual({ version: null, unusable: expect.stringMatching(message) });
  });
});

/** Through the descriptors that both processes hold; the agents use the native transfer for it. */
async function copyMemory(from: Vmm, to: Vmm): Promise<void> {
  const { open } = await import('node:fs/promises');
  const [source, target] = await Promise.all(
    [from, to].map(({ record }) => open(`/proc/${record.pid}/fd/${record.regions[0]?.vmmFd}`, 'r+')),
  );
  if (!source || !target) throw new Error('no memory');
  try {
    for (const [at, length] of from.memory.dataRanges(0, 0n, 100_000)) {
      const { buffer } = await source.read(Buffer.alloc(Number(length)), 0, Number(length), Number(at));
      await target.write(buffer, 0, buffer.length, Number(at));
    }
  } finally {
    await source.close();
    await target.close();
  }
  const digests = await Promise.all([from.memory.digest(1), to.memory.digest(1)]);
  expect(digests[0].digest).toBe(digests[1].digest);
}
