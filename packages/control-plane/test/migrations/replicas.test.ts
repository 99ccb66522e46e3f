import { describe, expect, it } from 'vitest';
import type { Database } from '../../src/store/database.js';
import { anyDatabase } from '../support/databases.js';
import { ModelFleet, type ModelHost, type Script } from '../support/model-agents.js';
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

interface Stage {
  readonly database: Database;
  readonly fleet: ModelFleet;
  readonly north: ModelHost;
  readonly south: ModelHost;
}

async function stage(): Promise<Stage> {
  const database = await (await anyDatabase()).open();
  await prepareDatabase(database);
  const fleet = new ModelFleet();
  const north = await addHost(database, fleet, 'north');
  const south = await addHost(database, fleet, 'south');
  return { database, fleet, north, south };
}

/** What must be true of a migration that has ended, whatever happened to whoever worked on it. */
async function judge(
  { database, fleet, north, south }: Stage,
  id: string,
  instance: string,
): Promise<string> {
  const migration = await read(database, id);
  const begun = fleet.begun.filter((each) => each.instanceId === instance);
  expect(begun.length, 'begun at the agents').toBeLessThanOrEqual(1);
  for (const each of begun) expect(each.id).toBe(id);
  expect(await leftovers(database)).toEqual({ reservations: 0, marked: 0 });
  expect(fleet.violations).toEqual([]);
  const where = migration.state === 'completed' ? south : north;
  expect(fleet.runners(instance), 'runs').toEqual([where.name]);
  expect((await vmmOf(database, instance)).hostId, 'is said to be').toBe(where.id);
  // No agent has anything of it under way.
  for (const host of [north, south]) expect(host.migrations.get(id)?.view.endedAt).not.toBe(null);
  return migration.state;
}

/**
 * Moves one guest with a replica that hangs at its point number `point`, and another that goes on meanwhile; then the first one comes
 * back to life and does what it was about to do. Null where there is no such point.
 */
async function hangAt(
  set: Stage,
  point: number,
  { script, cancel = false }: { script?: Script; cancel?: boolean } = {},
): Promise<{ state: string; what: string } | null> {
  const { database, fleet, north, south } = set;
  const instance = await addInstance(database, fleet, north);
  if (script) fleet.scripts.set(instance, script);
  let wake: () => void = () => undefined;
  let hung: (what: string) => void = () => undefined;
  const hangs = new Promise<string>((resolve) => {
    hung = resolve;
  });
  const slow = new Replica({
    database,
    fleet,
    gate: async (at, what) => {
      if (at !== point) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
        hung(what);
      });
    },
  });
  const other = new Replica({ database, fleet });
  const id = await migrate(other, instance, south);
  const work = slow.finish();
  const what = await Promise.race([hangs, work.then(() => null)]);
  if (what !== null && cancel) await requestCancel(database, id);
  if (what !== null) await other.finish();
  const state = await judge(set, id, instance);
  if (what === null) return null;
  const before = await read(database, id);
  wake();
  await work;
  expect(await judge(set, id, instance), `after the late one ${what}`).toBe(state);
  expect(await read(database, id)).toEqual(before);
  return { state, what };
}

/** Points are tried side by side, each lane with a database of its own. */
const LANES = 3;

/** Every point in turn, and how the migration ended. */
async function everywhere(options: { script?: Script; cancel?: boolean }): Promise<Map<string, string>> {
  const found: { point: number; what: string; state: string }[] = [];
  const lane = async (first: number) => {
    const set = await stage();
    for (let point = first; ; point += LANES) {
      const hung = await hangAt(set, point, options);
      if (hung === null) return;
      found.push({ point, ...hung });
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_, index) => lane(index + 1)));
  return new Map(
    found.toSorted((a, b) => a.point - b.point).map(({ point, what, state }) => [`${point} ${what}`, state]),
  );
}

describe('replicas that die or come back late, at every point of a migration', () => {
  it('leave one migration at the agents and the guest where it went (R1, R2, R12)', async () => {
    const states = await everywhere({});
    expect(states.size).toBeGreaterThan(15);
    expect(new Set(states.values())).toEqual(new Set(['completed']));
    expect([...states.keys()].join()).toContain('before startMigration');
    expect([...states.keys()].join()).toContain('after startMigration');
  }, 120_000);

  it('leave the guest at its source and nothing reserved, where the agents fail it (R12)', async () => {
    const states = await everywhere({ script: { fails: { code: 'migration-timed-out', retryable: true } } });
    expect(new Set(states.values())).toEqual(new Set(['failed']));
  }, 120_000);

  it('leave it cancelled or completed, as the agents have it, where it is cancelled meanwhile (R1)', async () => {
    const states = await everywhere({ cancel: true });
    expect(new Set(states.values())).toEqual(new Set(['cancelled', 'completed']));
    const order = [...states.values()];
    // The handover is one moment: what is cancelled behind it completes, what is cancelled before it does not.
    expect(order).toEqual(order.toSorted());
  }, 120_000);
});

describe('two replicas', () => {
  it('move many guests at once, of which each is begun once and ends as its agents say, though one of them is killed (R12)', async () => {
    const set = await stage();
    const { database, fleet, north, south } = set;
    const guests: { id: string; instance: string; fails: boolean }[] = [];
    const two = new Replica({ database, fleet, options: { perHostIn: 5, perHostOut: 5 } });
    for (let index = 0; index < 24; index++) {
      const instance = await addInstance(database, fleet, north);
      const fails = index % 5 === 0;
      if (fails) fleet.scripts.set(instance, { fails: { code: 'memory-damaged', retryable: false } });
      guests.push({ id: await migrate(two, instance, index % 2 ? south : null), instance, fails });
    }
    const killedAt = 60;
    const one = new Replica({
      database,
      fleet,
      options: { perHostIn: 5, perHostOut: 5 },
      gate: (at) => {
        if (at >= killedAt) throw new Error('killed');
      },
    });
    const dying = one.finish().catch((thrown: unknown) => thrown);
    await two.finish(2_000);
    expect(await dying).toEqual(new Error('killed'));
    for (const { id, instance, fails } of guests) {
      expect(await judge(set, id, instance)).toBe(fails ? 'failed' : 'completed');
    }
    expect(fleet.begun.length).toBe(24);
  }, 120_000);
});
