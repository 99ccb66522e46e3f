import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decide,
  type History,
  HOPELESS_MS,
  HOPELESS_ROUNDS,
  type Measurement,
  NO_HISTORY,
  POLISH_ROUNDS,
  type Policy,
  sendMs,
} from '../src/decide.js';

const policy: Policy = { maxDowntimeMs: 100, maxRounds: 60, timeoutMs: 3_600_000 };
/** 4096 pages take one ms at this bandwidth, so that pages read as time: 4096 pages are 1 ms. */
const BANDWIDTH = 4096 * 4096 * 1000;

function measured(sendingMs: number, more: Partial<Measurement> = {}): Measurement {
  return {
    roundsDone: 1,
    elapsedMs: 1_000,
    dirtyPages: Math.round(sendingMs * 4096),
    bandwidthBytesPerSecond: BANDWIDTH,
    fixedMs: 10,
    ...more,
  };
}

const lastSent = (lastSendMs: number, more: Partial<History> = {}): History => ({
  ...NO_HISTORY,
  lastSendMs,
  ...more,
});

describe('after a round', () => {
  it.each<[string, Measurement, Policy, History, string]>([
    ['nothing is dirty', measured(0), policy, NO_HISTORY, 'switch-over'],
    ['almost nothing is dirty', measured(0.4), policy, NO_HISTORY, 'switch-over'],
    ['it fits, and nothing was sent yet to compare with', measured(50), policy, NO_HISTORY, 'go-on'],
    ['it fits, and the last round cut it to a tenth', measured(5), policy, lastSent(50), 'go-on'],
    ['it fits, and the last round hardly cut it', measured(45), policy, lastSent(50), 'switch-over'],
    ['it fits, and grew', measured(60), policy, lastSent(50), 'switch-over'],
    [
      'it fits, and enough rounds only made it shorter',
      measured(5),
      policy,
      lastSent(50, { fittingRounds: POLISH_ROUNDS }),
      'switch-over',
    ],
    ['it fits, and rounds are used up', measured(5, { roundsDone: 60 }), policy, lastSent(50), 'switch-over'],
    ['it fits, and time is over', measured(5, { elapsedMs: 3_600_000 }), policy, lastSent(50), 'switch-over'],
    ['it does not fit yet', measured(91), policy, lastSent(500), 'go-on'],
    ['it does not fit and grows', measured(900), policy, lastSent(500), 'go-on'],
    ['no bandwidth is known', measured(1, { bandwidthBytesPerSecond: 0 }), policy, NO_HISTORY, 'go-on'],
    ['the fixed costs alone do not fit', measured(0, { fixedMs: 101 }), policy, NO_HISTORY, 'go-on'],
    ['time is over', measured(91, { elapsedMs: 3_600_000 }), policy, lastSent(500), 'migration-timed-out'],
    ['rounds are used up', measured(91, { roundsDone: 60 }), policy, lastSent(500), 'migration-round-limit'],
    [
      'nothing got better for rounds and for long',
      measured(500, { roundsDone: 3 + HOPELESS_ROUNDS, elapsedMs: 1_000 + HOPELESS_MS }),
      policy,
      lastSent(500, { best: { expectedMs: 510, roundsDone: 3, elapsedMs: 1_000 } }),
      'migration-not-converging',
    ],
    [
      'nothing got better for rounds, but these were short',
      measured(500, { roundsDone: 3 + HOPELESS_ROUNDS, elapsedMs: 999 + HOPELESS_MS }),
      policy,
      lastSent(500, { best: { expectedMs: 510, roundsDone: 3, elapsedMs: 1_000 } }),
      'go-on',
    ],
    [
      'it got better just now',
      measured(400, { roundsDone: 3 + HOPELESS_ROUNDS, elapsedMs: 1_000 + HOPELESS_MS }),
      policy,
      lastSent(500, { best: { expectedMs: 510, roundsDone: 3, elapsedMs: 1_000 } }),
      'go-on',
    ],
  ])('when %s', (_situation, now, rules, history, expected) => {
    const decision = decide(now, rules, history);
    expect(decision.kind === 'give-up' ? decision.code : decision.kind).toBe(expected);
  });

  it('gives up with a reason that has the numbers in it', () => {
    const decision = decide(measured(900, { roundsDone: 60 }), policy, NO_HISTORY);
    expect(decision).toMatchObject({ kind: 'give-up', code: 'migration-round-limit' });
    expect(decision.kind === 'give-up' && decision.reason).toMatch(
      /60 rounds .* 3686400 pages left after round 59, 16000\.0 MiB\/s, downtime expected 910\.0 ms, allowed 100 ms/,
    );
  });
});

describe('over a whole migration', () => {
  const rounds = fc.array(
    fc.record({
      dirtyPages: fc.integer({ min: 0, max: 10_000_000 }),
      bandwidthBytesPerSecond: fc.double({ min: 0, max: 1e10, noNaN: true }),
      fixedMs: fc.double({ min: 0, max: 200, noNaN: true }),
      roundMs: fc.integer({ min: 1, max: 60_000 }),
    }),
    { minLength: 200, maxLength: 200 },
  );

  it('always comes to an end, switches over only if it fits, and gives up only if it does not', () => {
    fc.assert(
      fc.property(rounds, fc.integer({ min: 1, max: 100 }), (measurements, maxRounds) => {
        const rules = { ...policy, maxRounds };
        let history = NO_HISTORY;
        let elapsedMs = 0;
        for (const [i, { roundMs, ...numbers }] of measurements.entries()) {
          elapsedMs += roundMs;
          const decision = decide({ ...numbers, roundsDone: i + 1, elapsedMs }, rules, history);
          const fits =
            sendMs(numbers.dirtyPages, numbers.bandwidthBytesPerSecond) + numbers.fixedMs <=
            rules.maxDowntimeMs;
          if (decision.kind === 'go-on') {
            history = decision.history;
            continue;
          }
          expect(fits).toBe(decision.kind === 'switch-over');
          expect(i + 1).toBeLessThanOrEqual(maxRounds);
          return;
        }
        expect.unreachable('no decision in 200 rounds');
      }),
      { numRuns: 400 },
    );
  });

  it('never sends more than the polishing rounds in a row once it fits', () => {
    fc.assert(
      fc.property(rounds, (measurements) => {
        let history = NO_HISTORY;
        let fitting = 0;
        for (const [i, { roundMs, ...numbers }] of measurements.entries()) {
          const decision = decide(
            { ...numbers, roundsDone: i + 1, elapsedMs: roundMs },
            { ...policy, maxRounds: 1_000 },
            history,
          );
          if (decision.kind !== 'go-on') return;
          fitting = decision.expectedMs <= policy.maxDowntimeMs ? fitting + 1 : 0;
          expect(fitting).toBeLessThanOrEqual(POLISH_ROUNDS);
          history = decision.history;
        }
      }),
    );
  });
});
