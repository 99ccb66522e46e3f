import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DrainItem,
  type DrainMigration,
  type DrainSituation,
  drainStep,
  retryDelayMs,
} from '../../src/drains/plan.js';

/** How each try of a guest's migration ends. */
type Try = 'completed' | 'retryable' | 'refused' | 'cancelled';

const guestLives = fc.array(
  fc.record({
    tries: fc.array(fc.constantFrom<Try>('completed', 'retryable', 'refused', 'cancelled'), {
      minLength: 1,
      maxLength: 6,
    }),
    /** Turns that each migration takes. */
    takes: fc.nat({ max: 3 }),
  }),
  { maxLength: 8 },
);

interface World {
  items: Map<string, DrainItem>;
  migrations: Map<string, DrainMigration & { ends: number; how: Try; instanceId: string }>;
  here: Set<string>;
}

/** Runs a drain to its end against a host whose guests do as they are told. Returns what a person would see. */
function drain(
  guests: readonly { tries: readonly Try[]; takes: number }[],
  {
    concurrency,
    attempts,
    cancelAt = Number.POSITIVE_INFINITY,
  }: {
    concurrency: number;
    attempts: number;
    cancelAt?: number;
  },
) {
  const world: World = {
    items: new Map(),
    migrations: new Map(),
    here: new Set(guests.map((_, index) => `guest-${index}`)),
  };
  let most = 0;
  let begunAfterCancel = 0;
  for (let turn = 0, now = 0; turn < 400; turn++, now += 1_000) {
    for (const [id, migration] of world.migrations) {
      if (migration.outcome !== 'under-way' || turn < migration.ends) continue;
      const { how, instanceId } = migration;
      const outcome = how === 'completed' || how === 'cancelled' ? how : 'failed';
      const error =
        how === 'completed' ? null : { code: how, message: `${how}.`, retryable: how === 'retryable' };
      if (how === 'completed') world.here.delete(instanceId);
      world.migrations.set(id, { ...migration, outcome, error });
    }
    const situation: DrainSituation = {
      now,
      cancelled: turn >= cancelAt,
      concurrency,
      attempts,
      items: [...world.items.values()],
      guests: [...world.here].map((instanceId) => ({
        instanceId,
        migrationId:
          [...world.migrations].find(
            ([, each]) => each.instanceId === instanceId && each.outcome === 'under-way',
          )?.[0] ?? null,
      })),
      lost: null,
      elsewhere: new Map(),
      migrations: world.migrations,
      incoming: 0,
    };
    const { changed, begin, end } = drainStep(situation);
    for (const item of changed) world.items.set(item.instanceId, item);
    for (const item of begin) {
      if (turn >= cancelAt) begunAfterCancel++;
      const migrationId = `migration-${world.migrations.size}`;
      const { tries, takes } = guests[Number(item.instanceId.slice(6))] ?? { tries: [], takes: 0 };
      world.migrations.set(migrationId, {
        outcome: 'under-way',
        destinationId: 'elsewhere',
        error: null,
        ends: turn + 1 + takes,
        how: tries[Math.min(item.attempts, tries.length - 1)] ?? 'completed',
        instanceId: item.instanceId,
      });
      world.items.set(item.instanceId, {
        ...item,
        state: 'moving',
        attempts: item.attempts + 1,
        migrationId,
      });
    }
    const moving = [...world.items.values()].filter(({ state }) => state === 'moving').length;
    most = Math.max(most, moving);
    if (end !== null) return { end, world, most, begunAfterCancel };
  }
  throw new Error('the drain does not end');
}

/** What becomes of one guest, as one would say it. */
function expected(tries: readonly Try[], attempts: number): { state: string; attempts: number } {
  for (let made = 1; ; made++) {
    const how = tries[Math.min(made - 1, tries.length - 1)] ?? 'completed';
    if (how === 'completed') return { state: 'moved', attempts: made };
    if (how !== 'retryable' || made >= attempts) return { state: 'stays', attempts: made };
  }
}

describe('the plan of a drain', () => {
  it('goes on after failures, retries what a retry can help, and ends saying what stays (R12)', () => {
    fc.assert(
      fc.property(
        guestLives,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        (guests, concurrency, attempts) => {
          const { end, world, most } = drain(guests, { concurrency, attempts });
          expect(most).toBeLessThanOrEqual(concurrency);
          const items = guests.map((_, index) => world.items.get(`guest-${index}`));
          expect(items.map((item) => ({ state: item?.state, attempts: item?.attempts }))).toEqual(
            guests.map(({ tries }) => expected(tries, attempts)),
          );
          for (const item of items) {
            if (item?.state === 'stays') expect(item.error).not.toBe(null);
            if (item?.state === 'moved') expect(item.destinationId).toBe('elsewhere');
          }
          const stays = items.some((item) => item?.state === 'stays');
          expect(end).toBe(stays ? 'ended-with-remains' : 'completed');
        },
      ),
    );
  });

  it('starts nothing more once it is cancelled, and follows what it began', () => {
    fc.assert(
      fc.property(guestLives, fc.nat({ max: 6 }), (guests, cancelAt) => {
        const { world, begunAfterCancel } = drain(guests, { concurrency: 2, attempts: 3, cancelAt });
        expect(begunAfterCancel).toBe(0);
        for (const { state } of world.items.values()) expect(state).not.toBe('moving');
      }),
    );
  });

  const item = (change: Partial<DrainItem>): DrainItem => ({
    instanceId: 'guest',
    state: 'waiting',
    attempts: 0,
    migrationId: null,
    destinationId: null,
    error: null,
    retryAt: null,
    ...change,
  });
  const situation = (change: Partial<DrainSituation>): DrainSituation => ({
    now: 0,
    cancelled: false,
    concurrency: 2,
    attempts: 3,
    items: [],
    guests: [],
    lost: null,
    elsewhere: new Map(),
    migrations: new Map(),
    incoming: 0,
    ...change,
  });

  it('takes in guests that come while it runs, and waits for those on their way', () => {
    const first = drainStep(situation({ incoming: 1 }));
    expect(first).toEqual({ changed: [], begin: [], end: null });
    const second = drainStep(situation({ guests: [{ instanceId: 'late', migrationId: null }] }));
    expect(second.changed).toEqual([item({ instanceId: 'late' })]);
    expect(second.begin).toEqual([item({ instanceId: 'late' })]);
    expect(drainStep(situation({})).end).toBe('completed');
  });

  it('follows a migration that somebody else began, without counting it as a try', () => {
    const guests = [{ instanceId: 'guest', migrationId: 'theirs' }];
    const { changed, begin, end } = drainStep(situation({ items: [item({})], guests }));
    expect(changed).toEqual([item({ state: 'moving', migrationId: 'theirs' })]);
    expect([begin, end]).toEqual([[], null]);
  });

  it('counts a guest as moved that is there no longer, whoever took it away', () => {
    const { changed, end } = drainStep(situation({ items: [item({ state: 'stays' })] }));
    expect(changed).toEqual([item({ state: 'moved' })]);
    expect(end).toBe('completed');
  });

  it('says where a guest is that somebody else took away', () => {
    const elsewhere = new Map([['guest', 'south']]);
    const { changed } = drainStep(situation({ items: [item({})], elsewhere }));
    expect(changed).toEqual([item({ state: 'moved', destinationId: 'south' })]);
  });

  it('counts nothing as moved that was on a host that is lost (R2)', () => {
    const lost = { code: 'host-lost', message: 'Lost.', retryable: false };
    const { changed, begin, end } = drainStep(situation({ items: [item({})], lost }));
    expect(changed).toEqual([item({ state: 'stays', error: lost })]);
    expect([begin, end]).toEqual([[], 'ended-with-remains']);
  });

  it('waits longer before each try, and never longer than a minute', () => {
    expect([1, 2, 3, 9].map(retryDelayMs)).toEqual([1_000, 2_000, 4_000, 60_000]);
    const retryAt = 5_000;
    const guests = [{ instanceId: 'guest', migrationId: null }];
    const waiting = [item({ attempts: 1, retryAt })];
    expect(drainStep(situation({ items: waiting, guests, now: 4_999 })).begin).toEqual([]);
    expect(drainStep(situation({ items: waiting, guests, now: 5_000 })).begin).toEqual(waiting);
  });
});
