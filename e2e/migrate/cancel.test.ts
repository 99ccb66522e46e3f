import { describe, expect, it } from 'vitest';
import { bareSpec } from '../harness/guests.js';
import { beginMove, ended, move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

const hosts = useTwoHosts();

/** Slow enough that every round lasts, and never small enough to switch over by itself. */
const endless = { bandwidthBytesPerSecond: 4_000_000, maxDowntimeMs: 1, maxRounds: 1_000 };

describe('a migration that is cancelled', () => {
  it.each([0, 1, 2, 3])(
    'in round %i leaves the guest running at the source, nothing at the destination (R2, R12)',
    async (round) => {
      const guest = await startGuest(
        hosts.a,
        bareSpec({ name: 'stays', pages: 1024, rate: 'max', memoryMiB: 64 }),
      );
      const started = await beginMove(guest, hosts.a, hosts.b, endless);
      for await (const event of hosts.a.client.watchMigration(started.id)) {
        if (event.kind === 'ended') throw new Error(`ended by itself: ${JSON.stringify(event.migration)}`);
        if (event.kind === 'progress' && event.progress.phase === 'rounds' && event.progress.round >= round)
          break;
      }
      const cancelled = await hosts.a.client.cancelMigration(started.id);
      expect(cancelled).toMatchObject({ state: 'cancelled', report: null });
      expect(await hosts.a.client.getInstance('stays')).toMatchObject({
        state: { life: 'running', epoch: '1' },
      });
      expect(await hosts.b.client.listInstances()).toEqual([]);
      expect(await soundness(guest)).toEqual(sound);

      const again = await move(guest, hosts.a, hosts.b, { verify: true, maxDowntimeMs: 2_000 });
      expect(again).toMatchObject({ state: 'completed', report: { verified: true } });
      expect(await soundness(guest)).toEqual(sound);
      guest.meter.detach();
    },
  );

  it('stays completed when it is cancelled after its end', async () => {
    const guest = await startGuest(hosts.a, bareSpec({ name: 'gone', pages: 16, rate: 0, memoryMiB: 64 }));
    const started = await beginMove(guest, hosts.a, hosts.b);
    await ended(hosts.a, started.id);
    expect(await hosts.a.client.cancelMigration(started.id)).toMatchObject({ state: 'completed' });
    guest.meter.detach();
  });
});
