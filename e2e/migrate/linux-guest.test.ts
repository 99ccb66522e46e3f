import { describe, expect, it } from 'vitest';
import { linuxMissing, linuxSpec } from '../harness/guests.js';
import { move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

describe.skipIf(linuxMissing !== null)(
  `a Linux guest${linuxMissing === null ? '' : ` (${linuxMissing})`}`,
  () => {
    const hosts = useTwoHosts();

    it('that writes 20,000 pages a second to 512 MiB moves there and back, alive and right (R1, R3)', async () => {
      const spec = linuxSpec({ name: 'linux', memoryMiB: 1024, pages: 131_072, rate: 20_000 });
      const guest = await startGuest(hosts.a, spec, { readyMs: 120_000 });
      for (const [from, to] of [
        [hosts.a, hosts.b],
        [hosts.b, hosts.a],
      ] as const) {
        const result = await move(guest, from, to, { verify: true, maxDowntimeMs: 300 });
        expect(result).toMatchObject({
          state: 'completed',
          error: null,
          report: { verified: true, accelerator: 'tcg' },
        });
        expect(await soundness(guest)).toEqual(sound);
      }
      expect(guest.meter.summary().panicked).toBe(false);
      guest.meter.detach();
    });
  },
);
