import { createServer } from 'node:http';
import { type AddressInfo, createConnection } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { footprint } from '../bench/machine/footprint.mjs';
import type { Hop } from '../bench/machine/pair.mjs';
import { readMachineSettings } from '../bench/machine/settings.mjs';
import { SETTLED_AFTER, summariseHops } from '../bench/machine/summary.mjs';
import { trend } from '../bench/machine/trend.mjs';
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

describe('the bench of machines', () => {
  const held = { descriptors: 30, threads: 12, residentKiB: 90_000 };
  const hop = (number: number, more: Partial<Hop> = {}): Hop => ({
    ...{ hop: number, outsideMs: 4, totalMs: 500, rounds: 3, lastRoundPages: 20, wrong: null },
    downtime: {
      ...{ totalMs: 4, pauseMs: 1, lastRoundMs: 1, stateSaveMs: 1, verifyMs: 0, loadMs: 1 },
      ...{ handoverMs: 1, resumeMs: 0.2 },
    },
    footprints: { a: held, b: held, machine: held },
    ...more,
  });

  it('finds the line that a series was made from, whatever noise of no trend lies on it', () => {
    const line = fc.record({
      first: fc.double({ min: 0, max: 1e6, noNaN: true }),
      perHop: fc.double({ min: -1e3, max: 1e3, noNaN: true }),
      hops: fc.integer({ min: 3, max: 100 }),
    });
    fc.assert(
      fc.property(line, ({ first, perHop, hops }) => {
        const values = Array.from({ length: hops }, (_, at) => first + perHop * at);
        const found = trend(values);
        expect(found?.perHop).toBeCloseTo(perHop, 5);
        expect(found?.error).toBeCloseTo(0, 5);
        expect(found?.last).toBeCloseTo(values.at(-1) ?? Number.NaN, 3);
      }),
    );
    const symmetric = trend([10, 12, 10, 12, 11, 12, 10, 12, 10]);
    expect(symmetric?.perHop).toBeCloseTo(0, 9);
    expect(symmetric?.error).toBeGreaterThan(0);
  });

  it('counts what a process holds, without the connections of those who ask it', async () => {
    const server = createServer((_, answer) => answer.end('ok'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = createConnection(Number(new URL(url).port), '127.0.0.1');
    try {
      const before = footprint(process.pid, url);
      expect(before.threads).toBeGreaterThan(1);
      expect(before.residentKiB).toBeGreaterThan(10_000);
      await new Promise<void>((resolve) => client.once('connect', resolve));
      await expect.poll(() => footprint(process.pid).descriptors).toBe(before.descriptors + 2);
      // The server's end is left out, the client's is this process's own.
      expect(footprint(process.pid, url).descriptors).toBe(before.descriptors + 1);
    } finally {
      client.destroy();
      server.close();
    }
  });

  it('says nothing of a slope of fewer than three points', () => {
    expect(trend([1, 2])).toBeNull();
  });

  it('leaves the hops on which an agent settles out of the slopes, and counts the hops after which something was wrong', () => {
    const settling = Array.from({ length: SETTLED_AFTER }, (_, at) =>
      hop(at + 1, { footprints: { a: { ...held, descriptors: at }, b: held, machine: held } }),
    );
    const settled = [6, 7, 8, 9].map((number) => hop(number));
    const bad = hop(10, { wrong: '3 bad pages' });
    const summary = summariseHops('this checkout', [...settling, ...settled, bad]);
    expect(summary).toMatchObject({ hops: 10, right: 9, wrong: ['hop 10: 3 bad pages'] });
    expect(summary.held.a?.descriptors?.trend?.perHop).toBe(0);
    expect(summary.parts.resumeMs?.median).toBe(0.2);
  });

  it('reads its own options, and refuses what it does not know by name', () => {
    expect(readMachineSettings(['--vmm', 'machine', '--beat', '200us', '--rate', '2000'])).toMatchObject({
      ...{ hops: 20, memoryMiB: 256, pages: 16_384, rate: 2_000, beatMicros: 200 },
    });
    expect(() => readMachineSettings(['--rate', 'fast'])).toThrow('--rate');
  });
});
