import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/control-plane.js';
import type { VmmView } from '../../src/hosts/agent.js';
import { completeOptions } from '../../src/options.js';
import { livingVmm, type VmmOfInstance } from '../../src/state/living-vmm.js';
import { migrateSchema } from '../../src/store/migrate.js';
import { FakeFleet, type FakeHost } from '../../src/testing/index.js';
import { fullSpec } from '../support/control-plane.js';
import { databaseKinds } from '../support/databases.js';

describe.each(databaseKinds)('states of a VMM on $name', ({ missing, create }) => {
  it.skipIf(missing)(
    `come to the same in every order in which they can arrive (R10)${missing ? ` (skipped: ${missing})` : ''}`,
    { timeout: 60_000 },
    async () => {
      const test = await create();
      const database = await test.open();
      await migrateSchema(database);
      const options = completeOptions({ listen: { host: '127.0.0.1', port: 0 }, database: test.url });
      const stopping = new AbortController();
      const { writer, index } = assemble(options, database, pino({ level: 'silent' }), stopping.signal);
      const fleet = await FakeFleet.start();
      try {
        const host = fleet.addHost();
        const orders = permutations([1, 2, 3, 4]);
        for (const order of orders) {
          const states = history(host);
          const last = states.at(-1);
          for (const position of order) {
            const view = states[position - 1];
            if (view) await writer.store(host, [view], 'doorbell');
          }
          const id = last?.state.vmmId ?? '';
          const row = await database.run((db) =>
            db
              .selectFrom('vmms')
              .select(['generation', 'life', 'ended_reason'])
              .where('id', '=', id)
              .executeTakeFirst(),
          );
          expect(row, order.join()).toEqual({ generation: '4', life: 'stopped', ended_reason: 'deleted' });
          expect(index.get(id)).toBeUndefined();
        }
        expect(orders).toHaveLength(24);
      } finally {
        stopping.abort();
        await writer.close();
        await fleet.close();
      }
    },
  );
});

/** Four states of one VMM, as its agent told them one after the other. */
function history(host: FakeHost): VmmView[] {
  const instance = host.addInstance(fullSpec(`i-${randomUUID().slice(0, 8)}`), { life: 'starting' });
  const first = structuredClone(host.vmms.get(instance.vmmId)) as VmmView;
  const told = [first];
  for (const life of ['running', 'paused'] as const) {
    told.push(structuredClone(host.publish(instance.vmmId, { life })) as VmmView);
  }
  host.publish(
    instance.vmmId,
    { life: 'stopped' },
    { ended: { reason: 'deleted', at: new Date().toISOString() } },
  );
  told.push(structuredClone(host.vmms.get(instance.vmmId)) as VmmView);
  return told;
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, at) => permutations(items.toSpliced(at, 1)).map((rest) => [item, ...rest]));
}

describe('the VMM that an instance lives in', () => {
  const vmm = fc.record({
    id: fc.uuid(),
    epoch: fc.bigInt({ min: 0n, max: 4n }),
    life: fc.constantFrom(
      'running',
      'paused',
      'stopped',
      'migrating-in',
      'migrating-out',
      'moved',
      'in-doubt',
    ),
    ended: fc.boolean(),
    createdAt: fc.integer({ min: 0, max: 3 }),
  });

  it('has the highest epoch of all that may run it, in whatever order they are read', () => {
    fc.assert(
      fc.property(fc.uniqueArray(vmm, { selector: ({ id }) => id, maxLength: 6 }), fc.nat(), (vmms, seed) => {
        const chosen = livingVmm(vmms, null);
        const may = vmms.filter(({ ended, life }) => !ended && life !== 'moved' && life !== 'migrating-in');
        expect(chosen === null).toBe(may.length === 0);
        if (chosen) expect(may.every(({ epoch }) => epoch <= chosen.epoch)).toBe(true);
        const turned: VmmOfInstance[] = [
          ...vmms.slice(seed % (vmms.length + 1)),
          ...vmms.slice(0, seed % (vmms.length + 1)),
        ];
        expect(livingVmm(turned, null)).toEqual(chosen);
      }),
    );
  });
});
