import { Counter } from '@drover/native';
import type { MigrationPhase, MigrationProgress } from '@drover/types';

/** Shortest time between two progress events, ms. */
export const PROGRESS_INTERVAL_MS = 100;

/** The part of a progress event that the rounds know and the counters do not. */
export interface Estimates {
  dirtyPagesPerSecond: number | null;
  expectedDowntimeMs: number | null;
}

/**
 * Live progress: one timer that reads the transfer threads' shared counters, so that it costs the same whatever the guest's
 * size (R9, R12).
 */
export class ProgressReporter {
  readonly estimates: Estimates = { dirtyPagesPerSecond: null, expectedDowntimeMs: null };
  #phase: MigrationPhase = 'connecting';
  #counters: BigUint64Array | null = null;
  #timer: NodeJS.Timeout | null = null;
  #last = { at: 0, wireBytes: 0 };
  readonly #startedAt: number;

  constructor(
    private readonly sink: {
      onProgress(progress: MigrationProgress): void;
      onPhase(phase: MigrationPhase): void;
    },
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#startedAt = now();
    this.#last.at = this.#startedAt;
  }

  get elapsedMs(): number {
    return this.now() - this.#startedAt;
  }

  get phase(): MigrationPhase {
    return this.#phase;
  }

  start(): void {
    this.sink.onPhase(this.#phase);
    this.#timer = setInterval(() => this.#report(), PROGRESS_INTERVAL_MS);
    this.#timer.unref();
  }

  enter(phase: MigrationPhase): void {
    this.#phase = phase;
    this.sink.onPhase(phase);
  }

  /** From here the numbers come from this block. */
  read(counters: BigUint64Array): void {
    this.#counters = counters;
  }

  counter(name: keyof typeof Counter): number {
    return Number(this.#counters?.[Counter[name]] ?? 0n);
  }

  /** Stops the timer and reports once more, so that the last event says how it ended. */
  stop(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#report();
  }

  #report(): void {
    const at = this.now();
    const wireBytes = this.counter('wireBytes');
    const interval = at - this.#last.at;
    const bandwidth = interval > 0 ? ((wireBytes - this.#last.wireBytes) * 1000) / interval : 0;
    this.#last = { at, wireBytes };
    this.sink.onProgress({
      phase: this.#phase,
      round: this.counter('round'),
      elapsedMs: at - this.#startedAt,
      wireBytes,
      pagesSent: this.counter('dataPages') + this.counter('zeroPages'),
      pagesRemaining: Math.max(0, this.counter('roundPages') - this.counter('roundPagesDone')),
      bandwidthBytesPerSecond: Math.max(0, Math.round(bandwidth)),
      ...this.estimates,
    });
  }
}
