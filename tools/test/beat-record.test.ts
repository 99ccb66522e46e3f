import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BeatRecord } from '../beat/beat-record.mjs';

/** The guest's own way to print a beat (native/guest/lines.h). */
function beatLine(counter: number, writes = 0, bad = 0): string {
  if (counter % 64 !== 0) return `b${(counter % 0x10000).toString(16).padStart(4, '0')}\n`;
  return `B ${counter.toString(16)} ${writes.toString(16)} ${bad.toString(16)}\n`;
}

function beats(from: number, to: number): string {
  let text = '';
  for (let counter = from; counter <= to; counter++) text += beatLine(counter);
  return text;
}

const HELLO = 'DROVER-GUEST 1 pages=16 rate=0 tsc-khz=1000000\nREADY\n';

describe('beats from one console', () => {
  it('counts what came, whatever the pieces it came in', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (count, sizes) => {
          const record = new BeatRecord();
          const text = HELLO + beats(1, count);
          let at = 0;
          for (let i = 0; at < text.length; i++) {
            const size = sizes[i % sizes.length] ?? 1;
            record.add('a', text.slice(at, at + size), at);
            at += size;
          }
          const { beats: seen, missing, duplicates, torn } = record.summary(at);
          expect({ seen, missing, duplicates, torn }).toEqual({
            seen: count,
            missing: 0,
            duplicates: 0,
            torn: 0,
          });
        },
      ),
    );
  });

  it('agrees with a plain count of which counters were lost, doubled or late (property, against a naive oracle)', () => {
    const event = fc.record({
      fate: fc.constantFrom('once', 'once', 'once', 'lost', 'twice'),
      afterMs: fc.integer({ min: 0, max: 50 }),
    });
    fc.assert(
      fc.property(
        fc.array(event, { minLength: 2, maxLength: 300 }),
        fc.integer({ min: 1, max: 70_000 }),
        (events, start) => {
          const record = new BeatRecord();
          const arrivals = new Map<number, number>();
          let now = 1000;
          let doubled = 0;
          // A full line first, so that a start in the middle of a run is known.
          const first = Math.ceil(start / 64) * 64;
          record.add('a', beatLine(first), now);
          arrivals.set(first, now);
          events.forEach(({ fate, afterMs }, i) => {
            const counter = first + 1 + i;
            now += afterMs;
            if (fate === 'lost') return;
            record.add('a', beatLine(counter), now);
            arrivals.set(counter, now);
            if (fate === 'twice') {
              record.add('a', beatLine(counter), now);
              doubled++;
            }
          });
          const counters = [...arrivals.keys()].sort((a, b) => a - b);
          const last = counters.at(-1) ?? 0;
          let longest = 0;
          counters.forEach((counter, i) => {
            const before = counters[i - 1];
            if (before === undefined) return;
            longest = Math.max(longest, (arrivals.get(counter) ?? 0) - (arrivals.get(before) ?? 0));
          });
          const summary = record.summary(now);
          expect(summary.beats).toBe(counters.length);
          expect(summary.missing).toBe(last - first + 1 - counters.length);
          expect(summary.duplicates).toBe(doubled);
          expect(summary.longestGap?.ms ?? 0).toBe(longest);
        },
      ),
    );
  });

  it('places short beats that came before the first full one', () => {
    const record = new BeatRecord();
    record.add('a', beats(65_500, 65_600), 5);
    const summary = record.summary(5);
    expect(summary).toMatchObject({ beats: 101, missing: 0, duplicates: 0 });
    record.add('a', beats(65_602, 65_602), 6);
    expect(record.summary(6).missing).toBe(1);
  });

  it('goes on counting over the turn of the short counter, and after a silence longer than that', () => {
    const record = new BeatRecord();
    record.add('a', HELLO + beats(1, 70_000), 1);
    expect(record.summary(1)).toMatchObject({ beats: 70_000, missing: 0, duplicates: 0 });
    record.add('a', beats(200_001, 200_100), 130_000);
    expect(record.summary(130_000)).toMatchObject({ beats: 70_100, missing: 130_000, duplicates: 0 });
  });

  it('tells a guest that has stopped, panicked or started again from a living one', () => {
    const record = new BeatRecord();
    expect(record.summary(0).alive).toBe(false);
    record.add('a', HELLO + beats(1, 3), 100);
    expect(record.summary(600).alive).toBe(true);
    expect(record.summary(1200).alive).toBe(false);
    expect(record.summary(1200, { aliveWithinMs: 2000 }).alive).toBe(true);
    record.add('a', HELLO + beats(1, 2), 1300);
    expect(record.summary(1300)).toMatchObject({
      boots: 2,
      beats: 5,
      missing: 0,
      duplicates: 0,
      alive: true,
    });
    record.add('a', '[  1.0] Kernel panic - not syncing: Fatal exception\r\n', 1400);
    expect(record.summary(1400)).toMatchObject({ panicked: true, alive: false });
  });

  it('reports bad pages by what the guest counts and by the lines it prints', () => {
    const record = new BeatRecord();
    record.add('a', `${HELLO}BAD page=5 counter=7 word=127 want=0000abcd have=00000000\n`, 1);
    expect(record.summary(1)).toMatchObject({
      bad: 1,
      badLines: [{ what: 'page', index: 5, counter: 7, word: 127, want: 0xabcd }],
    });
    record.add('a', beatLine(64, 10, 30), 2);
    expect(record.summary(2)).toMatchObject({ bad: 30, writes: 10 });
    record.reset();
    record.add('a', beatLine(128, 20, 32), 3);
    expect(record.summary(3)).toMatchObject({ bad: 2, beats: 1 });
  });

  it('counts a beat that lost characters as torn and missing, not as another beat', () => {
    const record = new BeatRecord();
    record.add('a', `${HELLO}b0001\nb02\nb0003\n`, 1);
    expect(record.summary(1)).toMatchObject({ beats: 2, missing: 1, torn: 1 });
  });
});

describe('beats across a switchover', () => {
  it('takes the downtime from the last beat of the source to the first of the destination', () => {
    const record = new BeatRecord();
    for (let i = 1; i <= 100; i++)
      record.add(i === 1 ? 'a' : 'a', i === 1 ? HELLO + beatLine(1) : beatLine(i), i);
    for (let i = 101; i <= 200; i++) record.add('b', beatLine(i), i + 11);
    const summary = record.summary(220);
    expect(summary).toMatchObject({ beats: 200, missing: 0, duplicates: 0 });
    expect(summary.switchovers).toHaveLength(1);
    expect(summary.switchovers[0]).toMatchObject({
      ms: 12,
      before: { counter: 100, source: 'a' },
      after: { counter: 101, source: 'b' },
    });
    expect(summary.longestGap?.ms).toBe(12);
  });

  it('puts a beat together that began on the source and ended on the destination, wherever it was cut', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), fc.nat(), (last, cut) => {
        const record = new BeatRecord();
        const line = beatLine(last);
        const at = 1 + (cut % (line.length - 1));
        record.add('a', HELLO + beats(1, last - 1) + line.slice(0, at), 10);
        record.add('b', line.slice(at) + beats(last + 1, last + 100), 30);
        const summary = record.summary(30);
        expect(summary).toMatchObject({ beats: last + 100, missing: 0, duplicates: 0, torn: 0 });
        expect(summary.switchovers).toMatchObject([{ ms: 20, after: { counter: last, source: 'b' } }]);
      }),
    );
  });

  it('shows a guest that ran on both sides as double beats (R1)', () => {
    const record = new BeatRecord();
    record.add('a', HELLO + beats(1, 110), 1);
    record.add('b', beats(101, 150), 2);
    expect(record.summary(2)).toMatchObject({ beats: 150, duplicates: 10, missing: 0 });
  });

  it('follows a guest there and back again', () => {
    const record = new BeatRecord();
    record.add('a', HELLO + beats(1, 10), 10);
    record.add('b', beats(11, 20), 30);
    record.add('a', beats(21, 30), 60);
    const { switchovers } = record.summary(60);
    expect(switchovers.map(({ before, after, ms }) => [before.source, after.source, ms])).toEqual([
      ['a', 'b', 20],
      ['b', 'a', 30],
    ]);
    expect(record.liveSource).toBe('a');
  });
});
