import { describe, expect, it } from 'vitest';
import { readDrain } from '../../src/drains/records.js';
import { DrainSaga } from '../../src/drains/saga.js';
import { claimDue, releaseClaim } from '../../src/saga/claims.js';
import { now } from '../../src/store/clock.js';
import type { Database } from '../../src/store/database.js';
import { databaseKinds, silent } from '../support/databases.js';
import { ModelFleet } from '../support/model-agents.js';
import {
  addHost,
  addInstance,
  hasten,
  leftovers,
  prepareDatabase,
  Replica,
  read,
  settings,
  vmmOf,
} from '../support/replica.js';

const DRAIN = '00000000-0000-4000-8000-00000000d0d0';

/** One replica's turns over drains and migrations until the drain has ended or it is killed. */
async function work(
  database: Database,
  fleet: ModelFleet,
  replica: Replica,
  dies: () => boolean,
): Promise<void> {
  const saga = new DrainSaga({
    database,
    changeLog: replica.changeLog,
    begun: () => undefined,
    logger: silent,
  });
  for (let turn = 0; turn < 500 && !dies(); turn++) {
    const drain = await database.run((db) => readDrain(db, DRAIN));
    if (drain?.endedAt) return;
    const claims = await database.run((db) =>
      claimDue(db, 'drains', { owner: replica.id, leaseMs: 15_000, limit: 4 }),
    );
    for (const claim of claims) {
      const inMs = await saga.advance(claim, new AbortController().signal).catch((thrown: unknown) => {
        if (thrown instanceof Error && 'code' in thrown && thrown.code === 'saga-claim-lost') return 0;
        throw thrown;
      });
      // Killed between the work and letting go: the lease holds the others up until it has run out.
      if (dies()) return;
      await database.run((db) => releaseClaim(db, claim, inMs));
    }
    await replica.turn();
    await hasten(database);
    await database.run((db) =>
      db
        .updateTable('drains')
        .set({ run_at: now, lease_until: null })
        .where('run_at', 'is not', null)
        .execute(),
    );
    expect(fleet.violations).toEqual([]);
  }
}

describe.each(databaseKinds)('a drain by two replicas on $name', ({ missing, create }) => {
  const suffix = missing === null ? '' : ` (skipped: ${missing})`;

  it.skipIf(missing !== null)(
    `moves every guest once and says what stays, though one of them is killed (R12)${suffix}`,
    async () => {
      const database = await (await create()).open();
      await prepareDatabase(database);
      const fleet = new ModelFleet();
      const north = await addHost(database, fleet, 'north', { state: 'draining', desired: 'draining' });
      const south = await addHost(database, fleet, 'south');
      const guests: string[] = [];
      for (let index = 0; index < 6; index++) guests.push(await addInstance(database, fleet, north));
      const [stuck = '', flaky = ''] = guests;
      fleet.scripts.set(stuck, { fails: { code: 'memory-damaged', retryable: false } });
      fleet.scripts.set(flaky, { fails: { code: 'peer-silent', retryable: true } });
      await database.run((db) =>
        db
          .insertInto('drains')
          .values({
            id: DRAIN,
            host_id: north.id,
            state: 'running',
            concurrency: 3,
            settings: JSON.stringify(settings()),
            attempts: 2,
            lease_owner: null,
            lease_until: null,
            run_at: now,
            created_at: new Date(),
            ended_at: null,
          })
          .execute(),
      );
      const [one, two] = [new Replica({ database, fleet }), new Replica({ database, fleet })];
      await Promise.all([
        work(database, fleet, one, () => fleet.begun.length >= 3),
        work(database, fleet, two, () => false),
      ]);
      const drain = await database.run((db) => readDrain(db, DRAIN));
      expect(drain?.state).toBe('ended-with-remains');
      const items = new Map(drain?.items.map((item) => [item.instanceId, item]));
      for (const guest of guests) {
        const begun = fleet.begun.filter(({ instanceId }) => instanceId === guest);
        const item = items.get(guest);
        const tries = guest === flaky ? 2 : 1;
        expect([item?.attempts, begun.length]).toEqual([tries, tries]);
        const stays = guest === stuck || guest === flaky;
        expect(item?.state).toBe(stays ? 'stays' : 'moved');
        expect((await vmmOf(database, guest)).hostId).toBe(stays ? north.id : south.id);
        const last = item?.migrationId ? await read(database, item.migrationId) : null;
        expect(last?.endedAt).not.toBe(null);
      }
      expect(await leftovers(database)).toEqual({ reservations: 0, marked: 0 });
      const host = await database.run((db) =>
        db.selectFrom('hosts').select(['state', 'desired']).where('id', '=', north.id).executeTakeFirst(),
      );
      expect(host).toEqual({ state: 'maintenance', desired: 'maintenance' });
    },
    60_000,
  );
});
