/**
 * What to do after a round: a pure function of measurements.
 *
 * The downtime to expect is the time to send what is dirty now at the bandwidth measured, plus costs that do not depend on
 * the number of pages (pause, device state, handover). Time spent on verify is not part of it: whoever asks for a digest
 * of all memory asks for its time too.
 *
 * | situation | decision |
 * | --- | --- |
 * | expected downtime fits and another round would hardly shorten it | switch over |
 * | it fits, the last round shortened it a lot, fewer than {@link POLISH_ROUNDS} rounds since it first fitted | go on |
 * | it does not fit, time is over | give up: `migration-timed-out` |
 * | it does not fit, rounds are used up | give up: `migration-round-limit` |
 * | it does not fit, no progress for {@link HOPELESS_ROUNDS} rounds and {@link HOPELESS_MS} | give up: `migration-not-converging` |
 * | it does not fit yet | go on |
 */
import { PAGE_SIZE } from '@drover/native';

/** Rounds sent only to make a downtime that already fits shorter still. */
export const POLISH_ROUNDS = 5;
/** A further round must cut what is left to send to this share of what it was, or it is not worth it. */
export const WORTHWHILE_SHARE = 0.7;
/** Below this, sending what is left costs less than another collection, ms. */
export const NEGLIGIBLE_MS = 0.5;
/** Rounds, and time, without a better expected downtime, after which a guest counts as faster than the link. */
export const HOPELESS_ROUNDS = 8;
export const HOPELESS_MS = 30_000;
/** A new best must beat the old one by this share to count as progress. */
const PROGRESS_SHARE = 0.9;

/** What is known after a round and the collection that followed it. */
export interface Measurement {
  /** Rounds finished so far, at least 1. */
  readonly roundsDone: number;
  /** Since the migration began, ms. */
  readonly elapsedMs: number;
  /** Pages dirty now. */
  readonly dirtyPages: number;
  /** Bytes a second that the channels carried. */
  readonly bandwidthBytesPerSecond: number;
  /** Downtime that does not depend on the pages, ms. */
  readonly fixedMs: number;
}

export interface Policy {
  readonly maxDowntimeMs: number;
  readonly maxRounds: number;
  readonly timeoutMs: number;
}

/** What earlier decisions leave for the next one. */
export interface History {
  /** Time to send what was left at the last decision, ms; null before the first. */
  readonly lastSendMs: number | null;
  /** Rounds sent since the expected downtime first fitted. */
  readonly fittingRounds: number;
  /** Best expected downtime so far, and when it was seen. */
  readonly best: {
    readonly expectedMs: number;
    readonly roundsDone: number;
    readonly elapsedMs: number;
  } | null;
}

export const NO_HISTORY: History = { lastSendMs: null, fittingRounds: 0, best: null };

export type GiveUpCode = 'migration-timed-out' | 'migration-round-limit' | 'migration-not-converging';

export type Decision =
  | { readonly kind: 'switch-over'; readonly expectedMs: number; readonly reason: string }
  | { readonly kind: 'go-on'; readonly expectedMs: number; readonly history: History }
  | {
      readonly kind: 'give-up';
      readonly expectedMs: number;
      readonly code: GiveUpCode;
      readonly reason: string;
    };

/** Time to send `pages` at this bandwidth, ms. */
export function sendMs(pages: number, bandwidthBytesPerSecond: number): number {
  if (pages === 0) return 0;
  return bandwidthBytesPerSecond > 0
    ? (pages * PAGE_SIZE * 1000) / bandwidthBytesPerSecond
    : Number.POSITIVE_INFINITY;
}

export function decide(now: Measurement, policy: Policy, history: History): Decision {
  const toSendMs = sendMs(now.dirtyPages, now.bandwidthBytesPerSecond);
  const expectedMs = toSendMs + now.fixedMs;
  const numbers = describe(now, expectedMs, policy);

  if (expectedMs <= policy.maxDowntimeMs) {
    const worthwhile = history.lastSendMs === null || toSendMs <= history.lastSendMs * WORTHWHILE_SHARE;
    const room =
      history.fittingRounds < POLISH_ROUNDS &&
      now.roundsDone < policy.maxRounds &&
      now.elapsedMs < policy.timeoutMs;
    if (toSendMs <= NEGLIGIBLE_MS || !worthwhile || !room) {
      return { kind: 'switch-over', expectedMs, reason: numbers };
    }
    return { kind: 'go-on', expectedMs, history: advance(history, now, toSendMs, expectedMs, true) };
  }

  const giveUp = (code: GiveUpCode, why: string): Decision => ({
    kind: 'give-up',
    expectedMs,
    code,
    reason: `${why}: ${numbers}`,
  });
  if (now.elapsedMs >= policy.timeoutMs) {
    return giveUp('migration-timed-out', `no switchover within ${policy.timeoutMs} ms`);
  }
  if (now.roundsDone >= policy.maxRounds) {
    return giveUp('migration-round-limit', `${policy.maxRounds} rounds were not enough`);
  }
  const next = advance(history, now, toSendMs, expectedMs, false);
  if (
    next.best !== null &&
    now.roundsDone - next.best.roundsDone >= HOPELESS_ROUNDS &&
    now.elapsedMs - next.best.elapsedMs >= HOPELESS_MS
  ) {
    return giveUp(
      'migration-not-converging',
      `the guest writes faster than the link carries, ${HOPELESS_ROUNDS} rounds brought nothing`,
    );
  }
  return { kind: 'go-on', expectedMs, history: next };
}

function advance(
  history: History,
  now: Measurement,
  toSendMs: number,
  expectedMs: number,
  fits: boolean,
): History {
  const better = history.best === null || expectedMs < history.best.expectedMs * PROGRESS_SHARE;
  return {
    lastSendMs: toSendMs,
    fittingRounds: fits ? history.fittingRounds + 1 : 0,
    best: better ? { expectedMs, roundsDone: now.roundsDone, elapsedMs: now.elapsedMs } : history.best,
  };
}

function describe(now: Measurement, expectedMs: number, policy: Policy): string {
  const mibPerSecond = (now.bandwidthBytesPerSecond / (1 << 20)).toFixed(1);
  const expected = Number.isFinite(expectedMs) ? `${expectedMs.toFixed(1)} ms` : 'unbounded';
  return `${now.dirtyPages} pages left after round ${now.roundsDone - 1}, ${mibPerSecond} MiB/s, downtime expected ${expected}, allowed ${policy.maxDowntimeMs} ms`;
}
