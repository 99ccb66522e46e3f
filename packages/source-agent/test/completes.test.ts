import { migrationProgressSchema, migrationReportSchema } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { PROGRESS_INTERVAL_MS } from '../src/progress.js';
import { eventually, withWorld } from './world/with-world.js';
import { EPOCH } from './world/world.js';

describe('a guest that is moved', () => {
  it.each([
    ['idle', { rate: 0 }],
    ['under load', { rate: 20_000, workingSet: 2_048, pages: 8_192 }],
    ['with pinning devices', { rate: 5_000, quiesced: true }],
    ['without memory', { pages: 0, workingSet: 0, filled: 0, rate: 0 }],
    ['of one page', { pages: 1, workingSet: 1, filled: 0, rate: 2_000 }],
  ])('goes on with exactly its memory and state: %s (R3)', async (_kind, options) => {
    await withWorld(options, async (world) => {
      let atPause = '';
      world.source.hooks.saveState = async () => {
        atPause = (await world.source.memory.digest(1)).digest;
      };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({ kind: 'completed', vmmDestroyed: true });
      expect(world.source.destroyed).toBe(true);
      const { vmm } = world.host;
      expect(vmm?.digestAtResume).toBe(atPause);
      await vmm?.pause();
      expect((await vmm?.check())?.bad).toBe(0);
    });
  });

  it('follows the order of the handover to the letter (R4)', async () => {
    await withWorld({}, async (world) => {
      await world.migrate();
      expect(world.log).toEqual([
        'destination: preparing',
        'destination: ready',
        `source: relinquished ${EPOCH + 1n}`,
        'destination: owned',
        'destination: resume',
        'source: done',
      ]);
    });
  });

  it('reports what it did, to both sides', async () => {
    await withWorld({ rate: 10_000 }, async (world) => {
      const outcome = await world.migrate({ connections: 3 });
      if (outcome.kind !== 'completed') return expect.unreachable(JSON.stringify(outcome));
      const { report } = outcome;
      expect(migrationReportSchema.parse(report)).toEqual(report);
      expect(report).toMatchObject({
        epoch: String(EPOCH + 1n),
        protocolVersion: 2,
        specVersion: 3,
        deviceStates: { 'qemu-stream': 1, 'qemu/virtio-net': 11 },
        capabilities: [],
        verified: null,
      });
      expect(report.rounds.map(({ round }) => round)).toEqual(report.rounds.map((_, i) => i));
      expect(report.rounds[0]?.dataPages).toBeGreaterThanOrEqual(1024);
      expect(report.stateBytes).toBe(200_000);
      const { totalMs, verifyMs, ...parts } = report.downtime;
      expect(totalMs).toBeGreaterThan(0);
      expect(totalMs).toBeLessThan(1_000);
      expect(verifyMs).toBe(0);
      for (const part of Object.values(parts)) expect(part).toBeLessThanOrEqual(totalMs);
      await eventually(() => world.host.report !== null, 'the report at the destination');
      expect(world.host.report).toEqual(report);
      expect(world.host.endings).toEqual([{ kind: 'completed', epoch: EPOCH + 1n, resumed: true }]);
    });
  });

  it('leaves nothing at the source but what moved (R12)', async () => {
    await withWorld({}, async (world) => {
      await world.migrate();
      expect(world.leftovers()).toEqual([]);
      expect(world.host.routes).toBe(0);
    });
  });

  it('is verified when asked: both digests are taken and agree', async () => {
    await withWorld({ rate: 10_000 }, async (world) => {
      const outcome = await world.migrate({ verify: true });
      expect(outcome).toMatchObject({ kind: 'completed', report: { verified: true } });
      expect(outcome.kind === 'completed' && outcome.report.downtime.verifyMs).toBeGreaterThan(0);
    });
  });

  it('stops the guest for each collection where devices pin pages, and says for how long', async () => {
    await withWorld({ rate: 20_000, workingSet: 2_048, quiesced: true }, async (world) => {
      const outcome = await world.migrate();
      if (outcome.kind !== 'completed') return expect.unreachable(JSON.stringify(outcome));
      expect(outcome.report.rounds.slice(1, -1).every(({ quiescedMs }) => quiescedMs > 0)).toBe(true);
      const pauses = world.source.times.filter(({ kind }) => kind === 'paused').length;
      // One for the first write-protection, one a round, the last of which is the switchover's own.
      expect(pauses).toBe(outcome.report.rounds.length);
    });
  });

  it('keeps to the bandwidth limit and shows progress meanwhile (R12)', async () => {
    await withWorld({ rate: 0, pages: 4_096, workingSet: 0, filled: 2_048 }, async (world) => {
      const outcome = await world.migrate({ bandwidthBytesPerSecond: 16 << 20 });
      if (outcome.kind !== 'completed') return expect.unreachable(JSON.stringify(outcome));
      expect(outcome.report.totalMs).toBeGreaterThan(350);
      expect(world.progress.length).toBeGreaterThanOrEqual(3);
      for (const progress of world.progress) migrationProgressSchema.parse(progress);
      const times = world.progress.map(({ elapsedMs }) => elapsedMs).slice(0, -1);
      for (const [i, at] of times.slice(1).entries()) {
        expect(at - (times[i] ?? 0)).toBeGreaterThan(PROGRESS_INTERVAL_MS / 2);
      }
      expect(world.phases).toEqual(['connecting', 'preparing', 'rounds', 'switchover', 'handover', 'done']);
      expect(world.host.progress.length).toBeGreaterThan(0);
    });
  });

  it('goes on there although its source VMM died once everything was across (R2)', async () => {
    await withWorld({}, async (world) => {
      world.host.onMade = (vmm) => {
        vmm.hooks.loaded = async () => {
          await eventually(() => world.source.listeners === 0, 'the state at the destination');
          world.source.kill();
          await eventually(() => world.source.gone, 'the end of the VMM');
        };
      };
      expect(await world.migrate()).toMatchObject({ kind: 'completed' });
      await world.host.vmm?.pause();
      expect((await world.host.vmm?.check())?.bad).toBe(0);
    });
  });
});
