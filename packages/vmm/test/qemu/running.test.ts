/** A QEMU while its guest runs, and what is seen of it from outside. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { native } from '@drover/native';
import { expect, it, onTestFinished } from 'vitest';
import { describeQemu, driver, launch, until } from '../support/qemu.js';
import { serialPort } from '../support/specs.js';
import { temporaryDirectory } from '../support/temporary.js';

describeQemu('a QEMU', () => {
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
});
