import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PlannedGuest, planFleet } from '../../src/fleet/plan.js';
import { host, spec, wish } from '../support/fleet.js';

const GIB = 1 << 30;

function guest(id: string, hostId: string, memoryBytes: number, change = {}): PlannedGuest {
  return { hostId, wish: wish({ instanceId: id, name: id, spec: spec(), memoryBytes, ...change }) };
}

/** A host that holds the guests given. */
function holding(name: string, memoryBytes: number, guests: readonly PlannedGuest[], change = {}) {
  const here = guests.filter(({ hostId }) => hostId === name);
  return host({
    id: name,
    name,
    guests: here.length,
    room: {
      cpus: 1000,
      memoryBytes,
      cpusUsed: here.length,
      memoryBytesUsed: here.reduce((sum, each) => sum + each.wish.memoryBytes, 0),
    },
    ...change,
  });
}

const everyHost = { width: 1, labels: {}, release: null };
const compatible = () => [];

describe('the plan of an upgrade', () => {
  it('drains every host once, never more than its width at a time, and never fills a host beyond its room', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 2 }),
        async (sizes, width) => {
          const guests = sizes.flatMap((list, at) =>
            list.map((size, index) => guest(`g-${at}-${index}`, `host-${at}`, size)),
          );
          const hosts = sizes.map((_, at) => holding(`host-${at}`, 12, guests));
          const plan = await planFleet(hosts, guests, { ...everyHost, width }, compatible);
          expect(plan.steps.flatMap((step) => step.hosts.map(({ id }) => id)).toSorted()).toEqual(
            hosts.map(({ id }) => id).toSorted(),
          );
          // Played through by hand.
          const where = new Map(guests.map(({ wish: { instanceId }, hostId }) => [instanceId, hostId]));
          const size = new Map(guests.map((each) => [each.wish.instanceId, each.wish.memoryBytes]));
          let placed = true;
          for (const { hosts: drained, moves } of plan.steps) {
            expect(drained.length).toBeLessThanOrEqual(width);
            for (const { instanceId, from, to, problem } of moves) {
              expect(where.get(instanceId)).toBe(from);
              expect(to === null).toBe(problem !== null);
              if (to === null) placed = false;
              else {
                expect(drained.map(({ name }) => name)).not.toContain(to);
                where.set(instanceId, to);
              }
            }
            for (const { id } of hosts) {
              const used = [...where].reduce(
                (sum, [each, at]) => (at === id ? sum + (size.get(each) ?? 0) : sum),
                0,
              );
              expect(used).toBeLessThanOrEqual(12);
            }
            const left = [...where].filter(([, at]) => drained.some(({ name }) => name === at));
            expect(left.length).toBe(moves.filter(({ to }) => to === null).length);
          }
          expect(plan.possible).toBe(placed);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('puts a host off until there is room for its guests, and says why where there never is', async () => {
    const guests = [guest('big', 'full', 6 * GIB), guest('small', 'half', GIB)];
    const hosts = [
      holding('full', 8 * GIB, guests),
      holding('half', 2 * GIB, guests),
      holding('spare', 4 * GIB, guests),
    ];
    const { steps, possible } = await planFleet(hosts, guests, everyHost, compatible);
    expect(possible).toBe(false);
    expect(steps.at(-1)?.hosts.map(({ name }) => name)).toEqual(['full']);
    const problem = steps.at(-1)?.moves.find(({ instanceName }) => instanceName === 'big')?.problem;
    expect(problem).toContain('Host spare has');
    expect(problem).toContain('are needed');
  });

  it('leaves out hosts of the release asked for, of other labels, and those that do not answer', async () => {
    const hosts = [
      holding('new', GIB, [], { labels: { zone: 'a' } }),
      holding('silent', GIB, [], { labels: { zone: 'a' }, state: 'unreachable' }),
      holding('elsewhere', GIB, [], { labels: { zone: 'b' } }),
    ];
    const request = { width: 1, labels: { zone: 'a' } };
    const all = await planFleet(hosts, [], { ...request, release: null }, compatible);
    expect(all.steps.map((step) => step.hosts.map(({ name }) => name))).toEqual([['new']]);
    expect(all.notes).toEqual(['Left out, because their agents do not answer: silent.']);
    const none = await planFleet(hosts, [], { ...request, release: '0.2.0' }, compatible);
    expect(none.steps).toEqual([]);
  });

  it('heeds what speaks against a guest on a host, beside its room', async () => {
    const guests = [guest('picky', 'one', GIB)];
    const hosts = [holding('one', 8 * GIB, guests), holding('two', 8 * GIB, guests)];
    const { possible, steps } = await planFleet(hosts, guests, everyHost, (_guest, _from, to) =>
      to.name === 'two'
        ? [{ severity: 'refused', code: 'cpu-not-offered', sentence: 'Two lacks avx2.', remedy: 'X.' }]
        : [],
    );
    expect(possible).toBe(false);
    expect(steps.flatMap(({ moves }) => moves)).toEqual([
      { instanceId: 'picky', instanceName: 'picky', from: 'one', to: null, problem: 'Two lacks avx2.' },
    ]);
  });
});
