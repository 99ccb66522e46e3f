import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { whatFollows } from '../src/log/follow.js';

describe('following a log by its end', () => {
  it('gives exactly what was added while the ends overlap', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 300 }),
        fc.nat({ max: 300 }),
        fc.integer({ min: 1, max: 200 }),
        (before, added, tail) => {
          // No character comes twice, so there is exactly one right answer.
          const text = String.fromCharCode(...Array.from({ length: before + added }, (_, at) => 0x100 + at));
          const end = text.slice(-tail);
          const follows = whatFollows(text.slice(0, before).slice(-tail), end);
          expect(follows).toBe(added > end.length ? end : text.slice(before));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('says nothing for a log that has not grown, and everything for another log', () => {
    expect(whatFollows('abc', 'abc')).toBe('');
    expect(whatFollows('xxabc', 'abc')).toBe('');
    expect(whatFollows('abc', 'xyz')).toBe('xyz');
    expect(whatFollows('', 'xyz')).toBe('xyz');
  });
});
