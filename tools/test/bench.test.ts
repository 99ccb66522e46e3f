import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Measurement } from '../bench/measurement.mjs';
import { readSettings } from '../bench/settings.mjs';
import { rotated, spread } from '../bench/statistics.mjs';
import { summarise, summaryTable } from '../bench/summary.mjs';

const right: Measurement = {
  totalMs: 4000,
  bulkMs: 2000,
  dataBytes: 500_000_000,
  ownDowntimeMs: 9,
  downtimeMs: 12,
  lost: null,
};

describe('the statistics of the bench', () => {
  it('gives a median with as many values below as above it, and the range', () => {
    const values = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(values, (times) => {
        const { median, min, max } = spread(times) ?? { median: -1, min: -1, max: -1 };
        const half = times.length / 2;
        expect(times.filter((time) => time < median).length).toBeLessThanOrEqual(half);
        expect(times.filter((time) => time > median).length).toBeLessThanOrEqual(half);
        expect(min).toBe(Math.min(...times));
        expect(max).toBe(Math.max(...times));
      }),
      { numRuns: 1000 },
    );
  });

  it('has nothing to say of no values', () => {
    expect(spread([])).toBeNull();
  });

  it('runs every method once a round, each round beginning with another one', () => {
    const methods = ['a', 'b', 'c'];
    const rounds = [0, 1, 2].map((round) => rotated(methods, round));
    expect(rounds.map(([first]) => first)).toEqual(methods);
    for (const order of rounds) expect([...order].sort()).toEqual(methods);
  });
});

describe('the summary of the bench', () => {
  it('leaves the times of lost guests out and says why they were lost', () => {
    const panicked: Measurement = { ...right, totalMs: 1, downtimeMs: null, lost: 'panicked' };
    const summary = summarise({ name: 'precopy', title: 'QEMU precopy' }, 'loaded', [right, panicked]);
    expect(summary).toMatchObject({ runs: 2, alive: 1, lost: ['panicked'], totalMs: { median: 4000 } });
    expect(summaryTable([summary])).toContain('QEMU precopy, lost: panicked');
  });

  it('gives the bulk pass of idle guests in Gbit/s of page data, and none of loaded ones', () => {
    const method = { name: 'drover', title: 'Drover' };
    expect(summarise(method, 'idle', [right]).bulkGbitPerSecond?.median).toBeCloseTo(2, 9);
    expect(summarise(method, 'loaded', [right]).bulkGbitPerSecond).toBeNull();
  });

  it('has no downtime for a method that lost every guest', () => {
    const lost: Measurement = { ...right, downtimeMs: null, lost: 'panicked' };
    const summary = summarise({ name: 'multifd', title: 'QEMU multifd' }, 'loaded', [lost]);
    expect(summary.downtimeMs).toBeNull();
    expect(summaryTable([summary])).toMatch(/QEMU multifd +0 of 1 +-/);
  });
});

describe('the options of the bench', () => {
  it('measure the guest of the goals where nothing is said', () => {
    expect(readSettings([])).toMatchObject({
      runs: 5,
      memoryMiB: 1024,
      pages: 131_072,
      rate: 20_000,
      channels: 2,
    });
  });

  it.each([
    [['--runs', '0'], /--runs is "0"/],
    [['--only', 'drover,xbzrle'], /--only names "xbzrle"; it can name drover, precopy/],
    [['--memory', 'much'], /not a size/],
    [['--what'], /--what/],
  ])('%j are refused in a sentence', (args, sentence) => {
    expect(() => readSettings(args)).toThrow(sentence);
  });
});
