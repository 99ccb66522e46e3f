import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BeatMeter } from '../beat/beat-meter.mjs';
import { buildGuests, LINUX_CMDLINE } from '../guest/build.mjs';
import { startSlowDisk } from '../slow-disk/slow-disk.mjs';
import { Qemu, qemuMissing } from './qemu.js';

const missing =
  qemuMissing ??
  (existsSync('/usr/bin/apt-get')
    ? null
    : 'this host has no apt-get, so the kernel package cannot be downloaded');
const fuseMissing =
  missing ??
  (process.getuid?.() === 0 && existsSync('/dev/fuse')
    ? null
    : 'mounting the slow disk needs root and /dev/fuse');
const because = (reason: string | null) => (reason === null ? '' : ` (skipped: ${reason})`);
const START = { timeoutMs: 60_000 };

let directory: string;
let meter: BeatMeter;
let cleanups: (() => Promise<void>)[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'linux-guest-'));
  meter = new BeatMeter();
  cleanups = [];
});
afterEach(async () => {
  meter.detach();
  for (const cleanup of cleanups.reverse()) await cleanup();
  rmSync(directory, { recursive: true, force: true });
});

async function boot(words: string, more: readonly string[] = []): Promise<Qemu> {
  const guests = await buildGuests();
  const kernel = ['-kernel', guests.linuxKernel, '-initrd', guests.linuxInitrd];
  const machine = ['-accel', 'tcg', '-M', 'q35', '-append', `${LINUX_CMDLINE} ${words}`];
  const qemu = await Qemu.start(directory, 'a', 512, [...machine, ...kernel, '-S', ...more]);
  cleanups.push(() => qemu.stop());
  meter.attach(qemu.serial);
  while (!meter.isConnected(qemu.serial)) await sleep(2);
  await qemu.command('cont');
  return qemu;
}

describe.skipIf(missing !== null)(`the Linux guest${because(missing)}`, () => {
  beforeAll(() => buildGuests().then(() => undefined), 300_000);

  it('is there at once when nothing has changed', async () => {
    const started = performance.now();
    await buildGuests();
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it('beats, writes at its rate and keeps its memory right', async () => {
    await boot('pages=16384 rate=20000 pattern=random');
    await meter.waitForReady(START);
    await meter.waitForBeats(500, START);
    const before = meter.summary();
    await meter.waitForBeats(2000, START);
    const after = meter.summary();
    // Beat for beat, 20 each: a busy host loses beats, and with them no more than their writes.
    const writesPerBeat = ((after.writes ?? 0) - (before.writes ?? 0)) / (after.beats - before.beats);
    expect(writesPerBeat).toBeGreaterThan(17);
    expect(after).toMatchObject({ alive: true, panicked: false, bad: 0, duplicates: 0, boots: 1 });
    expect(await meter.verify(START)).toMatchObject({ ok: true, pages: 16384, bad: 0 });
  });

  it('refuses a wrong word by name and turns itself off', async () => {
    const qemu = await boot('pages=16 pattern=none');
    await expect(meter.waitForReady(START)).rejects.toThrow('pattern has a value that cannot be read');
    await qemu.off(10_000);
  });

  it('calls a disk that holds something else bad', async () => {
    const qemu = await boot('pages=16 rate=0 disk=/dev/vda mode=direct', [
      '-drive',
      'if=none,id=d,driver=null-co,read-zeroes=on,size=1M',
      '-device',
      'virtio-blk-pci,drive=d',
    ]);
    await meter.waitForBeats(200, START);
    expect(meter.summary().bad).toBeGreaterThan(0);
    expect(meter.summary().badLines[0]).toMatchObject({ what: 'block', have: 0 });
    await qemu.stop();
  });

  for (const [mode, aio, device] of [
    ['direct', 'native', 'virtio-blk-pci'],
    ['buffered', 'threads', 'virtio-blk-pci'],
    ['direct', 'threads', 'nvme,serial=slow'],
  ] as const) {
    const name = `reads the slow disk (${device}, aio=${aio}) into checked memory with mode=${mode}`;
    it.skipIf(fuseMissing !== null)(`${name}${because(fuseMissing)}`, async () => {
      const disk = await startSlowDisk({ directory: join(directory, 'mount'), mib: 256, delayMs: 50 });
      cleanups.push(disk.stop);
      const node = device.startsWith('nvme') ? '/dev/nvme0n1' : '/dev/vda';
      await boot(`pages=1024 rate=1000 disk=${node} mode=${mode} disk-window=512 disk-readers=8`, [
        '-drive',
        `if=none,id=d,format=raw,cache=none,aio=${aio},read-only=on,file=${disk.path}`,
        '-device',
        `${device},drive=d`,
      ]);
      await meter.waitForReady(START);
      await meter.waitForBeats(500, START);
      const before = meter.summary().disk;
      const started = performance.now();
      await meter.waitForBeats(2000, START);
      const seconds = (performance.now() - started) / 1000;
      const after = meter.summary();
      const runs = ((after.disk?.blocksRead ?? 0) - (before?.blocksRead ?? 0)) / 16;
      // Eight readers with a delay of 50 ms: 160 runs a second at most; more than one reader's 20 shows them in flight together.
      expect(runs / seconds).toBeGreaterThan(30);
      expect(runs / seconds).toBeLessThan(200);
      expect((after.disk?.blocksChecked ?? 0) - (before?.blocksChecked ?? 0)).toBeGreaterThan(512);
      expect(after).toMatchObject({ alive: true, bad: 0 });
    });
  }
});
