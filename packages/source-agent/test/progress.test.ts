import { COUNTER_COUNT, Counter } from '@drover/native';
import type { MigrationProgress } from '@drover/types';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PROGRESS_INTERVAL_MS, ProgressReporter } from '../src/progress.js';

describe('live progress (R12)', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function reporter() {
    const seen: MigrationProgress[] = [];
    const progress = new ProgressReporter({ onProgress: (p) => void seen.push(p), onPhase() {} }, () =>
      Date.now(),
    );
    return { seen, progress };
  }

  it('says over the last interval what the counters did in it', () => {
    const { seen, progress } = reporter();
    const counters = new BigUint64Array(COUNTER_COUNT);
    progress.start();
    progress.read(counters);
    progress.enter('rounds');
    vi.advanceTimersByTime(PROGRESS_INTERVAL_MS);
    counters[Counter.wireBytes] = 1_000_000n;
    counters[Counter.dataPages] = 200n;
    counters[Counter.zeroPages] = 40n;
    counters[Counter.roundPages] = 500n;
    counters[Counter.roundPagesDone] = 240n;
    progress.estimates.expectedDowntimeMs = 12;
    vi.advanceTimersByTime(PROGRESS_INTERVAL_MS);
    expect(seen.at(-1)).toEqual({
      phase: 'rounds',
      round: 0,
      elapsedMs: 200,
      wireBytes: 1_000_000,
      pagesSent: 240,
      pagesRemaining: 260,
      bandwidthBytesPerSecond: 10_000_000,
      dirtyPagesPerSecond: null,
      expectedDowntimeMs: 12,
    });
    vi.advanceTimersByTime(PROGRESS_INTERVAL_MS);
    expect(seen.at(-1)?.bandwidthBytesPerSecond).toBe(0);
    progress.stop();
  });

  it('comes at most every 100 ms, and once more at the end', () => {
    const { seen, progress } = reporter();
    progress.start();
    vi.advanceTimersByTime(1_000);
    expect(seen).toHaveLength(1_000 / PROGRESS_INTERVAL_MS);
    progress.stop();
    progress.stop();
    vi.advanceTimersByTime(1_000);
    expect(seen).toHaveLength(1_000 / PROGRESS_INTERVAL_MS + 1);
  });
});
