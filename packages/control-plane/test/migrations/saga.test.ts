import { describe, expect, it } from 'vitest';
import type { Database } from '../../src/store/database.js';
import { databaseKinds } from '../support/databases.js';
import { ModelFleet } from '../support/model-agents.js';
import {
  addHost,
  addInstance,
  leftovers,
  migrate,
  prepareDatabase,
  Replica,
  read,
  requestCancel,
  vmmOf,
} from '../support/replica.js';

describe.each(databaseKinds)('the saga of a migration on $name', ({ missing, create }) => {
  const when = missing === null ? it : it.skip;
  const suffix = missing === null ? '' : ` (skipped: ${missing})`;

  async function fleetOf(...names: string[]) {
    const database: Database = await (await create()).open();
    await prepareDatabase(database);
    const fleet = new ModelFleet();
    const hosts = [];
    for (const name of names) hosts.push(await addHost(database, fleet, name));
    return { database, fleet, hosts, replica: new Replica({ database, fleet }) };
  }

  when(`moves a guest where placement chooses, and leaves nothing behind (R12)${suffix}`, async () => {
    const { database, fleet, hosts, replica } = await fleetOf('north', 'south');
    const [north, south] = hosts;
    if (!north || !south) throw new Error('no hosts');
    const instance = await addInstance(database, fleet, north);
    const id = await migrate(replica, instance, null);
    await replica.finish();
    const migration = await read(database, id);
    expect(migration).toMatchObject({ state: 'completed', destinationId: south.id, error: null });
    expect(Object.values(migration.steps).map(({ state }) => state)).toEqual(Array(6).fill('done'));
    expect(fleet.begun).toEqual([{ id, instanceId: instance }]);
    expect(await vmmOf(database, instance)).toEqual({ hostId: south.id, life: 'running' });
    expect(await leftovers(database)).toEqual({ reservations: 0, marked: 0 });
    expect(fleet.violations).toEqual([]);
  });

  when(`ends as its agents say where they fail, and gives back what it reserved (R12)${suffix}`, async () => {
    const { database, fleet, hosts, replica } = await fleetOf('north', 'south');
    const [north, south] = hosts;
    if (!north || !south) throw new Error('no hosts');
    const instance = await addInstance(database, fleet, north);
    fleet.scripts.set(instance, { fails: { code: 'migration-timed-out', retryable: true } });
    const id = await migrate(replica, instance, south);
    await replica.finish();
    const migration = await read(database, id);
    expect(migration).toMatchObject({
      state: 'failed',
      error: { code: 'migration-timed-out', retryable: true },
    });
    expect(migration.steps.reserve.state).toBe('undone');
    expect(migration.steps.move.state).toBe('failed');
    expect(await vmmOf(database, instance)).toMatchObject({ hostId: north.id });
    expect(await leftovers(database)).toEqual({ reservations: 0, marked: 0 });
    expect(fleet.runners(instance)).toEqual(['north']);
  });

  when(`is cancelled before the handover, and not behind it (R1, R12)${suffix}`, async () => {
    const { database, fleet, hosts, replica } = await fleetOf('north', 'south');
    const [north] = hosts;
    if (!north) throw new Error('no hosts');
    const early = await addInstance(database, fleet, north);
    fleet.scripts.set(early, { rounds: 1_000 });
    const first = await migrate(replica, early, null);
    for (let turn = 0; turn < 200 && (await read(database, first)).phase !== 'rounds'; turn++) {
      await replica.turn();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await requestCancel(database, first);
    await replica.finish();
    expect(await read(database, first)).toMatchObject({
      state: 'cancelled',
      error: { code: 'migration-cancelled' },
    });
    expect(fleet.runners(early)).toEqual(['north']);

    const late = await addInstance(database, fleet, north);
    const second = await migrate(replica, late, null);
    const source = await fleet.agentOf(north.id);
    for (let turn = 0; turn < 200; turn++) {
      await replica.turn();
      if (north.migrations.get(second)?.journal === 'relinquished') break;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect((await source?.getOwnership(second))?.source?.state).toBe('relinquished');
    await requestCancel(database, second);
    await replica.finish();
    expect((await read(database, second)).state).toBe('completed');
    expect(fleet.runners(late)).toEqual(['south']);
    expect(await leftovers(database)).toEqual({ reservations: 0, marked: 0 });
  });
});
