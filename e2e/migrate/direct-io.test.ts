import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSlowDisk } from '../../tools/slow-disk/slow-disk.mjs';
import { linuxMissing, linuxSpec } from '../harness/guests.js';
import { type Guest, move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

/** Longer than a round takes, so that requests of one round land in the next. */
const delayMs = 60;
const windowBlocks = 2_048;

describe.skipIf(linuxMissing !== null)(
  `an O_DIRECT disk that answers late${linuxMissing === null ? '' : ` (${linuxMissing})`}`,
  () => {
    let disk: Awaited<ReturnType<typeof startSlowDisk>>;
    const directory = mkdtempSync(join(tmpdir(), 'slow-'));
    beforeAll(async () => {
      disk = await startSlowDisk({ directory, mib: 256, delayMs });
    });
    afterAll(async () => {
      await disk.stop();
      rmSync(directory, { recursive: true, force: true });
    });
    // After the disk: a namespace that a host starts in sees the mounts of that moment.
    const hosts = useTwoHosts();

    it('loses no write of its own through all rounds: they are quiesced (R3, R5)', async () => {
      const guest = await startGuest(
        hosts.a,
        linuxSpec({
          name: 'reader',
          memoryMiB: 256,
          pages: 8_192,
          rate: 4_000,
          words: `disk=/dev/vda mode=direct disk-window=${windowBlocks} disk-readers=8`,
          components: {
            disk: { kind: 'virtio-disk', backend: 'image' },
            image: { kind: 'file-storage', path: disk.path, format: 'raw', cache: 'none', readOnly: true },
          },
        }),
        { readyMs: 120_000 },
      );
      await blocksChecked(guest, windowBlocks);
      for (const [from, to] of [
        [hosts.a, hosts.b],
        [hosts.b, hosts.a],
      ] as const) {
        // Slow enough for many rounds with requests in flight.
        const settings = { bandwidthBytesPerSecond: 60_000_000, maxDowntimeMs: 250, verify: true };
        const result = await move(guest, from, to, settings);
        expect(result).toMatchObject({ state: 'completed', error: null, report: { verified: true } });
        const rounds = result.report?.rounds ?? [];
        expect(rounds.length).toBeGreaterThan(2);
        expect(rounds.slice(1, -1).every((round) => round.quiescedMs > 0)).toBe(true);
        await blocksChecked(guest, 2 * windowBlocks);
        expect(await soundness(guest)).toEqual(sound);
      }
      guest.meter.detach();
    });
  },
);

/** Waits until the guest has checked that many more blocks that it holds in memory. */
async function blocksChecked(guest: Guest, more: number): Promise<void> {
  const checked = () => guest.meter.summary().disk?.blocksChecked ?? 0;
  const target = checked() + more;
  const deadline = Date.now() + 60_000;
  while (checked() < target) {
    if (Date.now() > deadline) throw new Error(`the guest checked ${checked()} of ${target} blocks`);
    await sleep(50);
  }
}
