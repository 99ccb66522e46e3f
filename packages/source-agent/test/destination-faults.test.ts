import { setTimeout as sleep } from 'node:timers/promises';
import type { MigrationPhase } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { abortDestination, migrateOut } from '../src/index.js';
import { eventually, expectRolledBack, longestPause, withWorld } from './world/with-world.js';
import type { World } from './world/world.js';

/** Points at which the destination's agent dies; all before the handover. */
const deaths: Record<string, (world: World) => void> = {
  'while it makes the VMM': (world) => {
    world.host.beforePrepare = () => world.killDestination();
  },
  'in the first round': (world) => at(world, 'rounds'),
  'in the switchover': (world) => at(world, 'switchover'),
  'while the device state is carried': (world) => {
    world.source.hooks.saveState = () => world.killDestination();
  },
  'while it loads': (world) => {
    world.host.onMade = (vmm) => {
      vmm.hooks.loaded = async () => {
        world.killDestination();
        await sleep(50);
      };
    };
  },
  'while it journals READY': (world) => {
    world.host.journalOfTest.before = async (record) => {
      if (record !== 'ready') return;
      world.killDestination();
      await sleep(50);
    };
  },
};

function at(world: World, phase: MigrationPhase): void {
  world.onPhase = (entered) => {
    if (entered === phase) world.killDestination();
  };
}

describe('a destination that dies before the handover', () => {
  it.each(Object.keys(deaths))('%s: the guest goes on at the source, within a second', async (death) => {
    await withWorld({}, async (world) => {
      deaths[death]?.(world);
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({ kind: 'failed', error: { retryable: true } });
      expect(longestPause(world)).toBeLessThan(1_000);
      await expectRolledBack(world, outcome);
      expect(world.log).toContain('source: aborted');
      expect(world.log.join()).not.toContain('relinquished');
    });
  });
});

describe('a destination that died with READY on disk', () => {
  it('holds its paused copy, however long, until it is told that the migration is off (R4)', async () => {
    await withWorld({}, async (world) => {
      world.host.reached = async (step) => {
        if (step === 'ready-journaled') world.killDestination();
      };
      const migration = world.migration();
      const outcome = await migrateOut(migration);
      expect(outcome).toMatchObject({ kind: 'failed', guest: 'running' });
      expect(world.notes.join()).toContain('it may hold a paused copy until it is told');
      const { vmm } = world.host;
      if (!vmm) return expect.unreachable('no VMM was made');
      expect(await vmm.status()).toBe('paused');

      const { migrationId, instance, epoch } = migration;
      world.reviveDestination().restore({ migrationId, instanceId: instance.id, epoch: epoch + 1n }, vmm);
      const request = { ...migration, signal: new AbortController().signal };
      const reason = { code: 'migration-cancelled', message: 'off', retryable: false };
      expect(await abortDestination(request, reason, null, 0)).toMatchObject({ confirmed: true });
      expect(world.log.slice(-1)).toEqual(['destination: aborted']);
      await expectRolledBack(world, outcome);
    });
  });
});

describe('a destination that fails', () => {
  it('whose VMM ends during the rounds says so, and the guest goes on', async () => {
    await withWorld({ rate: 40_000, workingSet: 1_024 }, async (world) => {
      world.onProgress = ({ phase }) => {
        if (phase === 'rounds') world.host.vmm?.kill();
      };
      const outcome = await world.migrate({ bandwidthBytesPerSecond: 16 << 20, maxDowntimeMs: 15 });
      expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'destination-vmm-ended' } });
      await expectRolledBack(world, outcome);
      expect(world.host.endings).toMatchObject([
        { kind: 'failed', error: { code: 'destination-vmm-ended' } },
      ]);
    });
  });

  it('whose VMM cannot load the state says so, and the guest goes on', async () => {
    await withWorld({}, async (world) => {
      world.host.onMade = (vmm) => {
        vmm.hooks.loaded = () => {
          throw new Error('unknown section "foo"');
        };
      };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { code: 'device-state-failed', message: expect.stringContaining('unknown section "foo"') },
      });
      expect(longestPause(world)).toBeLessThan(1_000);
      await expectRolledBack(world, outcome);
    });
  });

  it('that cannot journal READY does not say it, and the guest goes on (R4)', async () => {
    await withWorld({}, async (world) => {
      world.host.journalOfTest.before = (record) => {
        if (record === 'ready') throw new Error('disk full');
      };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { message: expect.stringContaining('disk full') },
      });
      await expectRolledBack(world, outcome);
    });
  });

  it('that got one byte wrong is found out by verify, and the guest goes on', async () => {
    await withWorld({ filled: 1_024, workingSet: 512 }, async (world) => {
      world.host.onEnter = (phase) => {
        if (phase === 'switchover') world.host.vmm?.corrupt(700);
      };
      const outcome = await world.migrate({ verify: true });
      expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'verify-mismatch' } });
      expect(longestPause(world)).toBeLessThan(1_000);
      await expectRolledBack(world, outcome);
    });
  });

  it('that does not answer the switchover in time is left, and the guest goes on', async () => {
    await withWorld({}, async (world) => {
      world.host.onMade = (vmm) => {
        vmm.hooks.loaded = () => new Promise(() => {});
      };
      const outcome = await world.migrate({}, { readyMs: 200 });
      expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'destination-too-slow' } });
      expect(longestPause(world)).toBeLessThan(1_000);
      await expectRolledBack(world, outcome);
    });
  });

  it('that only lost the control connection is told on a fresh one', async () => {
    await withWorld({}, async (world) => {
      world.onPhase = (entered) => {
        if (entered === 'switchover') world.cutControl();
      };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'peer-closed' } });
      expect(world.notes).toEqual([]);
      await expectRolledBack(world, outcome);
      await eventually(() => world.log.includes('destination: aborted'), 'ABORTED on disk');
    });
  });
});
