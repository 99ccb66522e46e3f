import { Counter } from '@drover/native';
import type { MigrationPhase, MigrationProgress } from '@drover/types';

/** Shortest time between two progress events, ms. */
export const PROGRESS_INTERVAL_MS = 100;

/** The destination's side of live progress: one timer over the receiving threads' shared counters (R9, R12). */
export class ReceiveProgress {
  phase: MigrationPhase = 'preparing';
  /** As the source said after its last round. */
  pagesRemaining = 0;
  #counters: BigUint64Array | null = null;
  #timer: NodeJS.Timeout | null = null;
  #last: { at: number; wireBytes: number };
  readonly #startedAt = performance.now();

  constructor(private readonly emit: (progress: MigrationProgress) => void) {
    this.#last = { at: this.#startedAt, wireBytes: 0 };
  }

  start(counters: BigUint64Array): void {
    this.#counters = counters;
    this.#timer = setInterval(() => this.#report(), PROGRESS_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Stops the timer and reports once more. The counters are not read after this. */
  stop(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#report();
    this.#counters = null;
  }

  #counter(index: number): number {
    return Number(this.#counters?.[index] ?? 0n);
  }

  #report(): void {
    const at = performance.now();
    const wireBytes = this.#counter(Counter.wireBytes);
    const interval = at - this.#last.at;
    const bandwidth = interval > 0 ? ((wireBytes - this.#last.wireBytes) * 1000) / interval : 0;
    this.#last = { at, wireBytes };
    this.emit({
      phase: this.phase,
      round: this.#counter(Counter.round),
      elapsedMs: at - this.#startedAt,
      wireBytes,
      pagesSent: this.#counter(Counter.dataPages) + this.#counter(Counter.zeroPages),
      pagesRemaining: this.pagesRemaining,
      bandwidthBytesPerSecond: Math.max(0, Math.round(bandwidth)),
      dirtyPagesPerSecond: null,
      expectedDowntimeMs: null,
    });
  }
}
