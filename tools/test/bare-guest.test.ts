import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BeatMeter } from '../beat/beat-meter.mjs';
import { kvmMissing, Qemu, qemuMissing } from './qemu.js';

const sources = fileURLToPath(new URL('../../native/guest', import.meta.url));
const WORKSET_ADDRESS = 16 * 1024 * 1024;
const PAGE_BYTES = 4096;
const MEMORY_MIB = 128;
const START = { timeoutMs: 30_000 };

let built: string;
let directory: string;
let meter: BeatMeter;
let running: Qemu[];

beforeAll(() => {
  built = mkdtempSync(join(tmpdir(), 'bare-guest-'));
  execFileSync('make', ['-s', '-C', sources, 'bare', `BUILD=${built}`]);
}, 60_000);
afterAll(() => rmSync(built, { recursive: true, force: true }));

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bare-guest-run-'));
  meter = new BeatMeter();
  running = [];
});
afterEach(async () => {
  meter.detach();
  for (const qemu of running) await qemu.stop();
  rmSync(directory, { recursive: true, force: true });
});

const tcg = ['-accel', 'tcg'];
const kvm = ['-accel', 'kvm', '-cpu', 'qemu64,-cx16'];

async function start(
  words: string,
  machine = [...tcg, '-M', 'pc'],
  name = 'a',
  more: readonly string[] = [],
): Promise<Qemu> {
  const kernel = ['-kernel', join(built, 'drover-guest.elf'), '-append', words];
  // Paused until the meter listens, so that no beat is missed.
  const qemu = await Qemu.start(directory, name, MEMORY_MIB, [...machine, ...kernel, '-S', ...more]);
  running.push(qemu);
  meter.attach(qemu.serial);
  while (!meter.isConnected(qemu.serial)) await sleep(2);
  return qemu;
}

async function boot(words: string, machine?: string[]): Promise<Qemu> {
  const qemu = await start(words, machine);
  await qemu.command('cont');
  return qemu;
}

/** How fast the guest writes over the next `beats` beats; exact to the 64 beats between two counts of its own. */
async function pace(beats: number) {
  const before = meter.summary();
  const started = performance.now();
  await meter.waitForBeats(beats, START);
  const seconds = (performance.now() - started) / 1000;
  const after = meter.summary();
  const writes = (after.writes ?? 0) - (before.writes ?? 0);
  return {
    writes,
    after,
    writesPerSecond: writes / seconds,
    writesPerBeat: writes / (after.beats - before.beats),
  };
}

/** Turns one bit of guest memory. */
function corrupt(qemu: Qemu, address: number): void {
  const file = openSync(qemu.memory, 'r+');
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, address);
  byte[0] = (byte[0] ?? 0) ^ 1;
  writeSync(file, byte, 0, 1, address);
  closeSync(file);
}

describe.skipIf(qemuMissing !== null)(
  `the bare-metal guest${qemuMissing ? ` (skipped: ${qemuMissing})` : ''}`,
  () => {
    it.each([
      ['pc', 'seq'],
      ['q35', 'random'],
      ['microvm', 'hot'],
    ])(
      'beats, writes at its rate and keeps its memory right on %s with the pattern %s',
      async (machine, pattern) => {
        await boot(`pages=4096 rate=2000 pattern=${pattern}`, [...tcg, '-M', machine]);
        await meter.waitForReady(START);
        await meter.waitForBeats(200, START);
        const { writesPerBeat, writesPerSecond, after } = await pace(1000);
        // A host that is busy loses beats and, with them, writes; what it leaves has the right pace.
        expect(writesPerBeat).toBeGreaterThan(1.7);
        expect(writesPerSecond).toBeLessThan(2500);
        expect(after).toMatchObject({ alive: true, bad: 0, missing: 0, duplicates: 0, torn: 0, boots: 1 });
        expect(await meter.verify(START)).toMatchObject({ ok: true, pages: 4096, bad: 0 });
      },
    );

    it.each([0, 1])('lives with a working set of %i pages', async (pages) => {
      await boot(`pages=${pages} rate=500`);
      await meter.waitForBeats(300, START);
      expect(await meter.verify(START)).toMatchObject({ ok: true, pages });
      expect(meter.summary()).toMatchObject({ alive: true, bad: 0, missing: 0 });
    });

    it('writes without pause at rate=max and beats all the same', async () => {
      await boot('pages=1024 rate=max pattern=random');
      await meter.waitForBeats(500, START);
      const summary = meter.summary();
      expect(summary).toMatchObject({ alive: true, bad: 0, missing: 0 });
      expect(summary.writes).toBeGreaterThan(20_000);
    });

    it('finds a bit that was changed from outside, names the page, and goes on beating (R3)', async () => {
      const qemu = await boot('pages=4096 rate=0 verify=0');
      await meter.waitForReady(START);
      corrupt(qemu, WORKSET_ADDRESS + 77 * PAGE_BYTES + 127 * 4);
      expect(await meter.verify(START)).toMatchObject({ ok: false, pages: 4096, bad: 1 });
      await meter.waitForBeats(130, START);
      const summary = meter.summary();
      expect(summary).toMatchObject({ alive: true, bad: 1, missing: 0 });
      expect(summary.badLines).toMatchObject([{ what: 'page', index: 77, word: 127 }]);
    });

    it('finds it by itself, too, while it verifies as it goes', async () => {
      const qemu = await boot('pages=256 rate=0 verify=2');
      await meter.waitForReady(START);
      corrupt(qemu, WORKSET_ADDRESS + 200 * PAGE_BYTES);
      await meter.waitForBeats(400, START);
      expect(meter.summary().badLines[0]).toMatchObject({ what: 'page', index: 200, word: 0 });
    });

    it.each([
      ['pages=1000000', 'pages is more than the memory above 16 MiB holds'],
      ['pages=16 rate=fast', 'rate has a value that cannot be read'],
    ])('refuses %s by name', async (words, reason) => {
      await boot(words);
      await expect(meter.waitForReady(START)).rejects.toThrow(reason);
    });

    const accelerators: [string, string[], string | null][] = [
      ['TCG', tcg, qemuMissing],
      ['KVM', kvm, kvmMissing],
    ];
    for (const [accelerator, args, missing] of accelerators) {
      const why = missing === null ? '' : ` (skipped: ${missing})`;
      it.skipIf(missing !== null)(
        `goes on where it was stopped, in another QEMU, under ${accelerator} (R3)${why}`,
        async () => {
          const source = await start('pages=1024 rate=1000', [...args, '-M', 'q35'], 'a');
          await source.command('cont');
          await meter.waitForBeats(300, START);
          const state = join(directory, 'state');
          const destination = await start('pages=1024 rate=1000', [...args, '-M', 'q35'], 'b', [
            '-incoming',
            `unix:${state}`,
          ]);
          await source.command('stop');
          await source.command('migrate-set-parameters', { 'max-bandwidth': 1e11 });
          await source.command('migrate', { uri: `unix:${state}` });
          await source.status('query-migrate', 'completed');
          await destination.status('query-status', 'paused');
          await source.stop();
          await destination.command('cont');
          await meter.waitForBeats(300, { source: destination.serial, ...START });
          expect(await meter.verify(START)).toMatchObject({ ok: true, pages: 1024, bad: 0 });
          const summary = meter.summary();
          expect(summary).toMatchObject({ alive: true, bad: 0, missing: 0, duplicates: 0, boots: 1 });
          expect(summary.switchovers).toMatchObject([
            { before: { source: source.serial }, after: { source: destination.serial } },
          ]);
        },
      );
    }

    it.skipIf(kvmMissing !== null)(
      `keeps up with 2,000 writes a second under KVM, even where KVM emulates${kvmMissing ? ` (skipped: ${kvmMissing})` : ''}`,
      async () => {
        const qemu = await boot('pages=1024 rate=2000 pattern=random', [...kvm, '-M', 'pc']);
        await meter.waitForBeats(200, START);
        const cpu = qemu.cpuSeconds();
        const { writes, after } = await pace(1500);
        // By its own processor time, so that a busy host does not count against it: less than a second for 2,000 writes.
        expect((qemu.cpuSeconds() - cpu) / (writes / 2000)).toBeLessThan(1);
        expect(after).toMatchObject({ alive: true, bad: 0, missing: 0 });
      },
    );
  },
);
