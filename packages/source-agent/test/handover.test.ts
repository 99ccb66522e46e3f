import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { eventually, expectRolledBack, withWorld } from './world/with-world.js';
import { EPOCH } from './world/world.js';

const NEXT = EPOCH + 1n;

describe('a handover with a fault in the middle (R1, R4)', () => {
  it('whose RUNNING is lost is in doubt until the destination is asked, and completed then', async () => {
    await withWorld({}, async (world) => {
      world.host.journalOfTest.before = (record) => {
        if (record === 'owned') world.cutControl();
      };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({ kind: 'completed', report: { epoch: String(NEXT) } });
      expect(world.inDoubt).toEqual(['outcome-unknown']);
      expect(world.log.filter((entry) => entry.endsWith('resume'))).toEqual(['destination: resume']);
    });
  });

  it('whose COMMIT is lost sends it again, and the destination owns it once', async () => {
    await withWorld({}, async (world) => {
      world.journal.before = (record) => {
        if (record.startsWith('relinquished')) world.cutControl();
      };
      expect(await world.migrate()).toMatchObject({ kind: 'completed' });
      expect(world.log).toEqual([
        'destination: preparing',
        'destination: ready',
        `source: relinquished ${NEXT}`,
        'destination: owned',
        'destination: resume',
        'source: done',
      ]);
    });
  });

  it('whose destination cannot journal OWNED stays paused there until it can', async () => {
    await withWorld({}, async (world) => {
      let failures = 2;
      world.host.journalOfTest.before = (record) => {
        if (record === 'owned' && failures-- > 0) throw new Error('disk full');
      };
      expect(await world.migrate()).toMatchObject({ kind: 'completed' });
      expect(world.log.slice(-3)).toEqual(['destination: owned', 'destination: resume', 'source: done']);
    });
  });

  it('whose destination is gone stays in doubt, the guest paused, for as long as it takes', async () => {
    await withWorld({}, async (world) => {
      world.journal.before = (record) => {
        if (record.startsWith('relinquished')) world.killDestination();
      };
      const migrating = world.migrate();
      await Promise.race([eventually(() => world.inDoubt.length > 0, 'the doubt'), migrating]);
      expect(world.inDoubt).toEqual(['outcome-unknown']);
      await sleep(300);
      expect(await world.source.status()).toBe('paused');
      expect(world.log).not.toContain('source: resume');

      world.shutdown.abort();
      expect(await migrating).toMatchObject({ kind: 'in-doubt', error: { code: 'outcome-unknown' } });
      expect(await world.source.status()).toBe('paused');
      expect(world.source.destroyed).toBe(false);
    });
  });

  it('whose destination lost its VMM while READY is taken back under a higher epoch', async () => {
    await withWorld({}, async (world) => {
      world.journal.before = async (record) => {
        if (!record.startsWith('relinquished')) return;
        world.host.vmm?.kill();
        await eventually(() => world.log.includes('destination: aborted'), 'ABORTED on disk');
      };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { code: 'destination-did-not-take-over' },
        guest: 'running',
      });
      expect(world.log.slice(-3)).toEqual([
        `source: relinquished ${NEXT}`,
        `source: taken back ${NEXT + 1n}`,
        'source: resume',
      ]);
    });
  });

  it('that could not be journaled never happened: ABORTED goes to disk before the guest runs', async () => {
    await withWorld({}, async (world) => {
      world.journal.before = (record) => {
        if (record.startsWith('relinquished')) throw new Error('disk full');
      };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'source-journal-failed' } });
      const order = world.log.filter((entry) => entry.startsWith('source'));
      expect(order).toEqual(['source: aborted', 'source: resume']);
      await expectRolledBack(world, outcome);
    });
  });

  it('that can be journaled neither way leaves the guest paused, and the destination torn down', async () => {
    await withWorld({}, async (world) => {
      world.journal.before = () => {
        throw new Error('disk gone');
      };
      expect(await world.migrate()).toMatchObject({ kind: 'in-doubt' });
      expect(await world.source.status()).toBe('paused');
      expect(world.log.filter((entry) => entry.startsWith('source'))).toEqual([]);
      await eventually(() => world.log.includes('destination: aborted'), 'ABORTED on disk');
    });
  });

  it('is completed even if DONE cannot be journaled, and says so', async () => {
    await withWorld({}, async (world) => {
      world.journal.before = (record) => {
        if (record === 'done') throw new Error('disk full');
      };
      expect(await world.migrate()).toMatchObject({ kind: 'completed' });
      expect(world.source.destroyed).toBe(true);
      expect(world.notes.join()).toContain('DONE could not be journaled');
    });
  });

  it('waits in READY with the source gone: it neither runs nor goes away (R4)', async () => {
    await withWorld({}, async (world) => {
      world.journal.before = async (record) => {
        if (!record.startsWith('relinquished')) return;
        world.cutControl();
        await sleep(300);
        expect(await world.host.vmm?.status()).toBe('paused');
        expect(world.destinationLeftovers()).toContain('VMM');
      };
      expect(await world.migrate()).toMatchObject({ kind: 'completed' });
    });
  });
});
