import type { MigrationPhase } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { eventually, expectRolledBack, longestPause, withWorld } from './world/with-world.js';
import type { World } from './world/world.js';

/** How a cancel is made to come at a certain point of the switchover, where phases are too coarse. */
const points: Record<string, (world: World) => void> = {
  'while the destination makes the VMM': (world) => {
    world.host.beforePrepare = ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        world.cancel.abort();
      });
  },
  'while the guest is being paused': (world) => {
    world.source.hooks.pause = () => world.cancel.abort();
  },
  'while the device state is being saved': (world) => {
    world.source.hooks.saveState = () => world.cancel.abort();
  },
  'while the destination loads': (world) => {
    world.host.onMade = (vmm) => {
      vmm.hooks.loaded = () => world.cancel.abort();
    };
  },
  'while the destination journals READY': (world) => {
    world.host.journalOfTest.before = (record) => {
      if (record === 'ready') world.cancel.abort();
    };
  },
};

describe('a migration that is cancelled (R12)', () => {
  it.each<MigrationPhase>(['connecting', 'preparing', 'rounds', 'switchover', 'handover'])(
    'in phase %s leaves the guest running and nothing behind',
    async (phase) => {
      await withWorld({}, async (world) => {
        world.onPhase = (entered) => {
          if (entered === phase) world.cancel.abort();
        };
        const outcome = await world.migrate();
        expect(outcome).toMatchObject({ kind: 'cancelled', error: { code: 'migration-cancelled' } });
        expect(longestPause(world)).toBeLessThan(1_000);
        await expectRolledBack(world, outcome);
        expect(world.log).not.toContain('destination: owned');
      });
    },
  );

  it.each(Object.keys(points))('%s leaves the guest running and nothing behind', async (point) => {
    await withWorld({}, async (world) => {
      points[point]?.(world);
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({ kind: 'cancelled' });
      expect(longestPause(world)).toBeLessThan(1_000);
      await expectRolledBack(world, outcome);
    });
  });

  it.each([0, 1, 2, 3, 4])('in round %i leaves the guest running and nothing behind', async (round) => {
    // Slow enough, and dirtied fast enough, that rounds go on until somebody stops them.
    await withWorld({ rate: 40_000, workingSet: 1_024, filled: 256 }, async (world) => {
      world.onProgress = (progress) => {
        if (progress.phase === 'rounds' && progress.round >= round) world.cancel.abort();
      };
      const outcome = await world.migrate({ bandwidthBytesPerSecond: 24 << 20, maxDowntimeMs: 15 });
      expect(outcome).toMatchObject({ kind: 'cancelled' });
      await expectRolledBack(world, outcome);
    });
  });

  it('after RELINQUISHED comes too late and changes nothing (R4)', async () => {
    await withWorld({}, async (world) => {
      world.journal.before = () => world.cancel.abort();
      expect(await world.migrate()).toMatchObject({ kind: 'completed' });
      expect(world.log).not.toContain('source: resume');
    });
  });

  it('can be tried again at once, and then succeeds (R5)', async () => {
    await withWorld({}, async (world) => {
      world.onPhase = (entered) => {
        if (entered === 'switchover') world.cancel.abort();
      };
      expect(await world.migrate()).toMatchObject({ kind: 'cancelled' });
      await eventually(() => world.destinationLeftovers().length === 0, 'the destination empty');
      world.onPhase = () => {};
      const again = {
        ...world.migration(),
        migrationId: crypto.randomUUID(),
        signal: new AbortController().signal,
      };
      const { migrateOut } = await import('../src/index.js');
      expect(await migrateOut(again)).toMatchObject({ kind: 'completed' });
      await world.host.vmm?.pause();
      expect((await world.host.vmm?.check())?.bad).toBe(0);
    });
  });

  it('because the agent stops leaves the guest running too', async () => {
    await withWorld({}, async (world) => {
      world.onPhase = (entered) => {
        if (entered === 'rounds') world.shutdown.abort();
      };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'source-stopping' } });
      await expectRolledBack(world, outcome);
    });
  });
});
