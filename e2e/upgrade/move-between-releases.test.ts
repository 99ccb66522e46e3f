import { describe, expect, it } from 'vitest';
import { bareSpec } from '../harness/guests.js';
import { move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';
import { builds, buildsMissing, newestShared, orWhyNot } from './builds.js';

describe.skipIf(buildsMissing !== null)(`hosts of two releases${orWhyNot}`, () => {
  const hosts = useTwoHosts();

  it.each([
    ['the old release', 'this release', builds.old, builds.new],
    ['this release', 'the old release', builds.new, builds.old],
    ['this release', 'this release', builds.new, builds.new],
  ])(
    '%s to %s and back: in the newest that both speak, without a wrong byte (R3)',
    async (_from, _to, from, to) => {
      await Promise.all([hosts.a.become(from), hosts.b.become(to)]);
      const shared = await newestShared(from, to);
      const guest = await startGuest(
        hosts.a,
        bareSpec({ name: 'traveller', pages: 2048, rate: 2_000, memoryMiB: 64 }),
      );
      for (const [source, destination, epoch] of [
        [hosts.a, hosts.b, '2'],
        [hosts.b, hosts.a, '3'],
      ] as const) {
        const result = await move(guest, source, destination, { verify: true });
        expect(result).toMatchObject({
          state: 'completed',
          error: null,
          report: { ...shared, epoch, verified: true },
        });
        expect(await soundness(guest), `after the move from ${source.name}`).toEqual(sound);
      }
      guest.meter.detach();
    },
  );
});
