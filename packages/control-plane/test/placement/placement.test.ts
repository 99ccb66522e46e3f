import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bestCandidate, findCandidates, refusals } from '../../src/placement/candidates.js';
import { type PlacementHost, type PlacementWish, withGuest } from '../../src/placement/fleet.js';
import { description, host, spec, wish } from '../support/fleet.js';

const GROUPS = ['web', 'constructor'];

const hosts = fc
  .array(
    fc.record({
      state: fc.constantFrom('active', 'active', 'active', 'draining', 'maintenance', 'unreachable', 'lost'),
      zone: fc.constantFrom('a', 'b', null),
      described: fc.boolean(),
      usable: fc.boolean(),
      room: fc.option(
        fc.record({
          cpus: fc.integer({ min: 1, max: 4 }),
          memoryBytes: fc.integer({ min: 1, max: 4 }),
          cpusUsed: fc.integer({ min: 0, max: 5 }),
          memoryBytesUsed: fc.integer({ min: 0, max: 5 }),
        }),
      ),
      guests: fc.integer({ min: 0, max: 3 }),
      groups: fc.subarray(GROUPS),
    }),
    { maxLength: 8 },
  )
  .map((list) =>
    list.map(({ state, zone, described, usable, room, guests, groups }, index): PlacementHost => {
      const name = `host-${index}`;
      const drivers = description(name).drivers.map((driver) => ({
        ...driver,
        unusable: usable ? null : 'QEMU is not installed',
      }));
      return host({
        id: name,
        name,
        state: state as PlacementHost['state'],
        labels: zone === null ? {} : { zone },
        description: described ? description(name, { drivers }) : null,
        room,
        guests,
        groups: Object.fromEntries(groups.map((group) => [group, ['other']])),
      });
    }),
  );

const wishes = fc
  .record({
    cpus: fc.integer({ min: 1, max: 3 }),
    memoryBytes: fc.integer({ min: 1, max: 3 }),
    zone: fc.constantFrom('a', 'b', null),
    antiAffinity: fc.constantFrom(null, ...GROUPS),
    strategy: fc.constantFrom('spread', 'pack'),
    notOn: fc.constantFrom(null, 'host-0'),
  })
  .map(({ zone, strategy, ...rest }) =>
    wish({
      ...rest,
      strategy: strategy as PlacementWish['strategy'],
      labels: zone === null ? {} : { zone },
    }),
  );

/** Fits, as one would write it down without reasons. */
function fits(what: PlacementWish, where: PlacementHost): boolean {
  const { description: said, room } = where;
  return Boolean(
    where.id !== what.notOn &&
      where.state === 'active' &&
      (what.labels.zone === undefined || where.labels.zone === what.labels.zone) &&
      (what.antiAffinity === null || !Object.keys(where.groups).includes(what.antiAffinity)) &&
      said?.drivers.some(({ name, unusable }) => name === 'qemu' && unusable === null) &&
      (room === null ||
        (room.cpusUsed + what.cpus <= room.cpus &&
          room.memoryBytesUsed + what.memoryBytes <= room.memoryBytes)),
  );
}

describe('placement', () => {
  it('takes exactly the hosts that a naive reading of the constraints takes, and says why of every other', () => {
    fc.assert(
      fc.property(wishes, hosts, (what, fleet) => {
        const { fitting, refused } = findCandidates(what, fleet);
        expect(new Set(fitting)).toEqual(new Set(fleet.filter((each) => fits(what, each))));
        expect(refused.map(({ host: { id } }) => id).toSorted()).toEqual(
          fleet
            .filter((each) => !fits(what, each))
            .map(({ id }) => id)
            .toSorted(),
        );
        for (const { findings } of refused) {
          expect(findings.length).toBeGreaterThan(0);
          for (const { severity, sentence, remedy } of findings) {
            expect(severity).toBe('refused');
            expect(sentence).toMatch(/\.$/);
            expect(remedy).toMatch(/\.$/);
          }
        }
      }),
    );
  });

  it('ranks by what would be used, in an order that no order of the hosts changes', () => {
    fc.assert(
      fc.property(wishes, hosts, fc.infiniteStream(fc.integer()), (what, fleet, keys) => {
        const { fitting } = findCandidates(what, fleet);
        const shuffled = fleet
          .map((each) => ({ each, key: keys.next().value }))
          .toSorted((a, b) => a.key - b.key)
          .map(({ each }) => each);
        expect(findCandidates(what, shuffled).fitting).toEqual(fitting);
        const share = ({ room }: PlacementHost) =>
          room === null
            ? null
            : Math.max(
                (room.cpusUsed + what.cpus) / room.cpus,
                (room.memoryBytesUsed + what.memoryBytes) / room.memoryBytes,
              );
        const shares = fitting.map(share);
        const known = shares.filter((each) => each !== null);
        const sorted = known.toSorted((a, b) => (what.strategy === 'spread' ? a - b : b - a));
        expect(known).toEqual(sorted);
        expect(shares).toEqual([...known, ...shares.filter((each) => each === null)]);
      }),
    );
  });

  it('finds the best one without judging all, and the next best where something else speaks against it', () => {
    fc.assert(
      fc.property(wishes, hosts, fc.nat({ max: 8 }), (what, fleet, refusedFirst) => {
        const { fitting } = findCandidates(what, fleet);
        const bad = new Set(fitting.slice(0, refusedFirst));
        const best = bestCandidate(what, fleet, (each) =>
          bad.has(each) ? [{ severity: 'refused', code: 'x', sentence: 'X.', remedy: 'Y.' }] : [],
        );
        expect(best).toBe(fitting.find((each) => !bad.has(each)) ?? null);
      }),
    );
  });

  it('keeps count when guests come and go', () => {
    fc.assert(
      fc.property(wishes, hosts, (what, fleet) => {
        for (const each of fleet) {
          const there = withGuest(each, what, 'added');
          expect(there.guests).toBe(each.guests + 1);
          expect(there.room?.memoryBytesUsed).toBe(
            each.room === null ? undefined : each.room.memoryBytesUsed + what.memoryBytes,
          );
          const gone = withGuest(there, what, 'removed');
          const group = what.antiAffinity;
          const empty = group !== null && !Object.hasOwn(each.groups, group) ? { [group]: [] } : {};
          expect(gone).toEqual({ ...each, groups: { ...each.groups, ...empty } });
        }
      }),
    );
  });

  it('gives the reasons in the order that its doc comment prints', () => {
    const bad = host({
      id: 'here',
      state: 'draining',
      groups: { web: ['other'] },
      description: description('north', { drivers: [] }),
      room: { cpus: 1, memoryBytes: 1, cpusUsed: 1, memoryBytesUsed: 0 },
    });
    const codes = refusals(wish({ notOn: 'here', labels: { zone: 'a' }, antiAffinity: 'web' }), bad).map(
      ({ code }) => code,
    );
    const source = readFileSync(new URL('../../src/placement/constraints.ts', import.meta.url), 'utf8');
    const printed = [...source.matchAll(/^ \* \| [^|]+ \| ([a-z, -]+) \|$/gm)]
      .flatMap(([, list = '']) => list.split(', '))
      .filter((code) => code !== 'code' && !code.startsWith('---'));
    expect(printed.filter((code) => code !== 'host-not-described')).toEqual(codes);
  });

  it('does not count an instance of a group as another of it', () => {
    const there = host({ groups: { web: ['instance-1'] } });
    expect(refusals(wish({ antiAffinity: 'web' }), there)).toEqual([]);
  });

  it('names the driver that a guest of the machine needs', () => {
    const [finding] = refusals(
      wish({ spec: spec({ vmm: 'machine' }) }),
      host({
        description: description('north', {
          drivers: [
            { name: 'machine', version: null, ramModes: ['external'], unusable: 'there is no /dev/kvm' },
          ],
        }),
      }),
    );
    expect(finding).toMatchObject({
      code: 'vmm-kind-unsupported',
      sentence: 'Host north has no usable driver machine: there is no /dev/kvm.',
    });
  });
});
