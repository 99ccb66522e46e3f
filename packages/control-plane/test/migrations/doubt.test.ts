import { describe, expect, it } from 'vitest';
import { resolveMigration } from '../../src/migrations/resolve.js';
import type { Database } from '../../src/store/database.js';
import { anyDatabase } from '../support/databases.js';
import { ModelFleet, type ModelHost, type Script } from '../support/model-agents.js';
import {
  addHost,
  addInstance,
  hasten,
  leftovers,
  migrate,
  prepareDatabase,
  Replica,
  read,
  requestCancel,
  settings,
  vmmOf,
} from '../support/replica.js';

interface Stage {
  readonly database: Database;
  readonly fleet: ModelFleet;
  readonly north: ModelHost;
  readonly south: ModelHost;
  readonly replica: Replica;
}

/** Done at each point of the replica, before what it says. */
type Act = (hosts: { readonly north: ModelHost; readonly south: ModelHost }, what: string) => void;

async function stage(options = {}, act?: Act): Promise<Stage> {
  const database = await (await anyDatabase()).open();
  await prepareDatabase(database);
  const fleet = new ModelFleet();
  const north = await addHost(database, fleet, 'north');
  const south = await addHost(database, fleet, 'south');
  const gate = (_point: number, what: string) => act?.({ north, south }, what);
  return { database, fleet, north, south, replica: new Replica({ database, fleet, options, gate }) };
}

async function begin(set: Stage, script: Script = {}): Promise<{ id: string; instance: string }> {
  const instance = await addInstance(set.database, set.fleet, set.north);
  set.fleet.scripts.set(instance, script);
  return { id: await migrate(set.replica, instance, set.south), instance };
}

/** Turns until something is so. */
async function turnsUntil(set: Stage, is: () => Promise<boolean> | boolean, most = 100): Promise<void> {
  for (let turn = 0; !(await is()); turn++) {
    if (turn === most) throw new Error(`it did not come about in ${most} turns: ${is}`);
    await set.replica.turn();
    await hasten(set.database);
  }
}

async function turns(set: Stage, count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await set.replica.turn();
    await hasten(set.database);
  }
}

async function setState(database: Database, host: ModelHost, state: string): Promise<void> {
  await database.run((db) => db.updateTable('hosts').set({ state }).where('id', '=', host.id).execute());
}

const journal = (host: ModelHost, id: string) => host.migrations.get(id)?.journal ?? null;

describe('a migration whose agents do not answer (R4)', () => {
  it('is begun once where the answer to the request is lost', async () => {
    const set = await stage();
    const { id, instance } = await begin(set, { startAnswerLost: true });
    await set.replica.finish();
    expect((await read(set.database, id)).state).toBe('completed');
    expect(set.fleet.begun).toEqual([{ id, instanceId: instance }]);
  });

  it('is asked for again where neither side ever heard of it', async () => {
    let hush = true;
    const set = await stage({}, ({ north }, what) => {
      if (what === 'before startMigration') north.silent = hush;
    });
    const { id } = await begin(set);
    await turns(set, 6);
    expect(await read(set.database, id)).toMatchObject({
      state: 'running',
      error: { code: 'agent-unreachable' },
    });
    expect(set.fleet.begun).toEqual([]);
    hush = false;
    set.north.silent = false;
    await set.replica.finish();
    expect(await read(set.database, id)).toMatchObject({ state: 'completed', error: null });
    expect(set.fleet.begun.length).toBe(1);
  });

  it('goes on running for as long as a silent source may still be moving it', async () => {
    const set = await stage();
    const { id, instance } = await begin(set, { rounds: 5 });
    await turnsUntil(set, async () => (await read(set.database, id)).phase === 'rounds');
    set.north.silent = true;
    await turns(set, 10);
    expect((await read(set.database, id)).endedAt).toBe(null);
    expect(await leftovers(set.database)).toEqual({ reservations: 1, marked: 1 });
    set.north.silent = false;
    await set.replica.finish();
    expect((await read(set.database, id)).state).toBe('completed');
    expect(set.fleet.runners(instance)).toEqual(['south']);
  });

  it('has completed where the destination says so and the source falls silent behind the handover', async () => {
    const set = await stage();
    const { id, instance } = await begin(set);
    await turnsUntil(set, () => journal(set.north, id) === 'relinquished');
    set.north.silent = true;
    const there = set.south.migrations.get(id);
    await turns(set, 3);
    expect(await read(set.database, id)).toMatchObject({ state: 'in-doubt', endedAt: null });
    const destination = await set.fleet.agentOf(set.south.id);
    // The destination got its COMMIT before the source fell silent, and says so now.
    await destination?.resolveMigration(id, { decision: 'take-over', lostHost: 'x', reason: 'x' });
    expect(there?.journal).toBe('owned');
    await set.replica.finish();
    expect((await read(set.database, id)).state).toBe('completed');
    expect((await vmmOf(set.database, instance)).hostId).toBe(set.south.id);
    expect(set.fleet.violations).toEqual([]);
  });

  it('waits for its destination to say which VMM has arrived, and is done without where that host is lost', async () => {
    const set = await stage({}, ({ north, south }) => {
      if ([...north.migrations.values()].some((each) => each.journal === 'done')) south.silent = true;
    });
    const { id, instance } = await begin(set);
    await turnsUntil(set, () => set.south.silent);
    await turns(set, 8);
    expect(await read(set.database, id)).toMatchObject({ state: 'running', endedAt: null });
    expect((await vmmOf(set.database, instance)).hostId).toBe(set.north.id);
    await setState(set.database, set.south, 'lost');
    await set.replica.finish();
    expect((await read(set.database, id)).state).toBe('completed');
    expect(await leftovers(set.database)).toEqual({ reservations: 0, marked: 0 });
  });
});

describe('a migration in doubt', () => {
  it('stays so until an operator decides, and then ends as the agent’s journal says (R1, R4)', async () => {
    const set = await stage();
    const { id, instance } = await begin(set);
    await turnsUntil(set, () => journal(set.north, id) === 'relinquished');
    await setState(set.database, set.north, 'lost');
    set.north.silent = true;
    await turns(set, 6);
    const doubtful = await read(set.database, id);
    expect(doubtful).toMatchObject({ state: 'in-doubt', endedAt: null });
    const decide = (decision: 'take-over' | 'take-back', lostHost: string) =>
      resolveMigration(set.database, set.fleet, doubtful, { decision, lostHost, reason: 'It burned.' });
    await expect(decide('take-back', 'south')).rejects.toMatchObject({ code: 'host-not-lost' });
    await expect(decide('take-over', 'south')).rejects.toMatchObject({ code: 'host-not-lost' });
    await decide('take-over', 'north');
    await set.replica.finish();
    expect((await read(set.database, id)).state).toBe('completed');
    expect((await vmmOf(set.database, instance)).hostId).toBe(set.south.id);
  });

  it('is none where the source is lost before the handover: the guest did not move', async () => {
    const set = await stage();
    const { id } = await begin(set, { rounds: 50 });
    await turnsUntil(set, async () => (await read(set.database, id)).phase === 'rounds');
    await setState(set.database, set.north, 'lost');
    set.north.silent = true;
    await turns(set, 5);
    // The destination still waits for its source.
    expect((await read(set.database, id)).endedAt).toBe(null);
    const destination = await set.fleet.agentOf(set.south.id);
    await destination?.resolveMigration(id, { decision: 'give-up', lostHost: 'x', reason: 'x' });
    await set.replica.finish();
    expect(await read(set.database, id)).toMatchObject({ state: 'failed', error: { code: 'host-lost' } });
    expect(await leftovers(set.database)).toEqual({ reservations: 0, marked: 0 });
  });
});

describe('places for migrations', () => {
  it('are as many as each host’s limits say; the others wait, and can be cancelled meanwhile', async () => {
    const set = await stage({ perHostOut: 1 });
    const first = await begin(set, { rounds: 10_000 });
    await turnsUntil(set, async () => (await read(set.database, first.id)).phase === 'rounds');
    const second = await begin(set);
    const third = await begin(set);
    await turns(set, 5);
    expect(await read(set.database, second.id)).toMatchObject({ state: 'waiting', endedAt: null });
    await requestCancel(set.database, third.id);
    await turnsUntil(set, async () => (await read(set.database, third.id)).endedAt !== null);
    expect((await read(set.database, third.id)).state).toBe('cancelled');
    await requestCancel(set.database, first.id);
    await set.replica.finish();
    expect((await read(set.database, second.id)).state).toBe('completed');
    expect(set.fleet.begun.map(({ id }) => id)).toEqual([first.id, second.id]);
  });

  it('come with a part of the hosts’ bandwidth, which the agent is told', async () => {
    const set = await stage({ bandwidthPerHost: 1_000_000, perHostOut: 2, perHostIn: 2 });
    const slow = await addInstance(set.database, set.fleet, set.north);
    set.fleet.scripts.set(slow, { rounds: 3 });
    await migrate(set.replica, slow, set.south, { settings: settings({ bandwidthBytesPerSecond: 100_000 }) });
    const { id } = await begin(set);
    await set.replica.finish();
    const rates = set.fleet.requests.map((request) => request.settings.bandwidthBytesPerSecond);
    expect(rates).toContain(100_000);
    // Two share the budget where both wait at once; alone it would be the whole.
    expect((await read(set.database, id)).bandwidth).toBeGreaterThanOrEqual(250_000);
    for (const rate of rates) expect(rate).toBeLessThanOrEqual(1_000_000);
  });

  it('are not given at a host that is full, counting what is promised to others', async () => {
    const set = await stage();
    const tiny = await addHost(set.database, set.fleet, 'tiny', { memory_bytes: 100 << 20 });
    const one = await addInstance(set.database, set.fleet, set.north, { memoryMiB: 64 });
    const two = await addInstance(set.database, set.fleet, set.north, { memoryMiB: 64 });
    set.fleet.scripts.set(one, { rounds: 10_000 });
    const first = await migrate(set.replica, one, tiny);
    await turnsUntil(set, async () => (await read(set.database, first)).phase === 'rounds');
    const second = await migrate(set.replica, two, tiny);
    await turnsUntil(set, async () => (await read(set.database, second)).endedAt !== null);
    expect(await read(set.database, second)).toMatchObject({
      state: 'failed',
      error: { code: 'host-full', retryable: true },
    });
    await requestCancel(set.database, first);
    await set.replica.finish();
  });

  it('are not given beside another instance of the same group, though both were judged before either had one', async () => {
    const set = await stage();
    const west = await addHost(set.database, set.fleet, 'west');
    const group = { antiAffinity: 'web' };
    const one = await addInstance(set.database, set.fleet, set.north, group);
    const two = await addInstance(set.database, set.fleet, set.south, group);
    const ids = [await migrate(set.replica, one, west), await migrate(set.replica, two, west)];
    const other = new Replica({ database: set.database, fleet: set.fleet });
    const both = await Promise.all(ids.map((id) => read(set.database, id)));
    expect(both.map(({ state }) => state)).toEqual(['waiting', 'waiting']);
    await Promise.all([set.replica.finish(), other.finish()]);
    const ended = await Promise.all(ids.map((id) => read(set.database, id)));
    expect(ended.map(({ state }) => state).toSorted()).toEqual(['completed', 'failed']);
    expect(ended.find(({ state }) => state === 'failed')?.error?.code).toBe('anti-affinity-kept');
  });
});
