import type { VmmEvent } from '@drover/vmm';
import { describe, expect, it } from 'vitest';
import { eventually, expectRolledBack, longestPause, withWorld } from './world/with-world.js';

describe('a source where something goes wrong before the handover', () => {
  it('gives up, by name, when the tracker cannot be trusted any more (R5)', async () => {
    await withWorld({}, async (world) => {
      const { tracker } = world.source;
      world.source.tracker = () => ({
        ...tracker.call(world.source),
        collect: async () => ({ dirtyPages: 4096, complete: false, error: 'a mapping changed' }),
      });
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { code: 'tracker-failed', message: expect.stringContaining('a mapping changed') },
      });
      expect(world.source.times.filter(({ kind }) => kind === 'paused')).toEqual([]);
      await eventually(() => world.destinationLeftovers().length === 0, 'the destination empty');
    });
  });

  it('resumes a guest that a quiesced collection had stopped, when that fails', async () => {
    await withWorld({ quiesced: true }, async (world) => {
      world.source.hooks.collect = () => {
        throw new Error('interrupted system call');
      };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { message: expect.stringContaining('interrupted') },
      });
      expect(longestPause(world)).toBeLessThan(1_000);
      await expectRolledBack(world, outcome);
    });
  });

  it('goes on when the device state cannot be saved', async () => {
    await withWorld({}, async (world) => {
      world.source.hooks.saveState = () => {
        throw new Error('device e1000 is not migratable');
      };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { code: 'state-save-failed', message: expect.stringContaining('not migratable') },
      });
      expect(longestPause(world)).toBeLessThan(1_000);
      await expectRolledBack(world, outcome);
    });
  });

  it('tries again to resume a guest that does not resume at first', async () => {
    await withWorld({}, async (world) => {
      world.onPhase = (phase) => {
        if (phase === 'handover') world.cancel.abort();
      };
      let refusals = 3;
      world.source.hooks.resume = () => {
        if (refusals-- > 0) throw new Error('Migration is not finalized yet');
      };
      const outcome = await world.migrate();
      await expectRolledBack(world, outcome);
    });
  });

  it('says that the guest is still paused when it cannot be resumed at all', async () => {
    await withWorld({}, async (world) => {
      world.onPhase = (phase) => {
        if (phase === 'handover') world.cancel.abort();
      };
      world.source.hooks.resume = () => {
        throw new Error('no');
      };
      expect(await world.migrate({}, { resumeMs: 50 })).toMatchObject({ kind: 'cancelled', guest: 'paused' });
    });
  });

  it('gives up when it takes too long, in the middle of a round', async () => {
    await withWorld({ rate: 0, filled: 3_000, workingSet: 0 }, async (world) => {
      const outcome = await world.migrate({ bandwidthBytesPerSecond: 1 << 20, timeoutMs: 1_000 });
      expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'migration-timed-out' } });
      await expectRolledBack(world, outcome);
    });
  });

  it('gives up on a guest that writes faster than the link carries, with the numbers', async () => {
    await withWorld({ rate: 100_000, workingSet: 2_048 }, async (world) => {
      const outcome = await world.migrate({
        bandwidthBytesPerSecond: 32 << 20,
        maxRounds: 4,
        maxDowntimeMs: 30,
      });
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: {
          code: 'migration-round-limit',
          message: expect.stringMatching(/4 rounds were not enough: \d+ pages left .* allowed 30 ms/),
        },
      });
      expect(world.source.times.filter(({ kind }) => kind === 'paused')).toEqual([]);
      await expectRolledBack(world, outcome);
    });
  });

  it.each<[VmmEvent['kind'], string]>([
    ['guest-shutdown', 'guest-ended'],
    ['guest-panicked', 'guest-ended'],
    ['failed', 'guest-ended'],
    ['guest-reset', 'guest-was-reset'],
  ])('ends the migration when the guest has a %s of its own', async (kind, code) => {
    await withWorld({}, async (world) => {
      world.onPhase = (phase) => {
        if (phase === 'rounds') world.source.emit({ kind, message: 'by itself' });
      };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({ kind: 'failed', error: { code } });
      await eventually(() => world.destinationLeftovers().length === 0, 'the destination empty');
    });
  });

  it('says that the guest is gone when its VMM ends', async () => {
    await withWorld({}, async (world) => {
      world.onPhase = (phase) => {
        if (phase === 'rounds') world.source.kill();
      };
      world.source.hooks.collect = () => eventually(() => world.source.gone, 'the end of the VMM');
      expect(await world.migrate()).toMatchObject({
        kind: 'failed',
        error: { code: 'guest-ended' },
        guest: 'gone',
      });
      await eventually(() => world.destinationLeftovers().length === 0, 'the destination empty');
    });
  });
});
