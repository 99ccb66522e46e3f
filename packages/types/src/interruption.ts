/**
 * One reason to stop, seen by everything that waits: the first {@link Interruption.interrupt} wins, every
 * {@link Interruption.race} then rejects with it, and {@link Interruption.signal} carries it to what takes a signal.
 */
import type { DroverError } from './errors.js';

export class Interruption {
  readonly #controller = new AbortController();
  readonly #releases: Array<() => void> = [];
  #closed = false;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Why it was interrupted; null while it was not. */
  get reason(): DroverError | null {
    return this.signal.aborted ? (this.signal.reason as DroverError) : null;
  }

  interrupt(reason: DroverError): void {
    if (!this.#closed && !this.signal.aborted) this.#controller.abort(reason);
  }

  /** Interrupts when `signal` aborts, with what `reason` makes then. */
  follow(signal: AbortSignal, reason: () => DroverError): void {
    const heed = () => this.interrupt(reason());
    if (signal.aborted) heed();
    signal.addEventListener('abort', heed, { once: true });
    this.#releases.push(() => signal.removeEventListener('abort', heed));
  }

  /** Interrupts after `ms`, unless closed before or withdrawn by the function returned. */
  after(ms: number, reason: () => DroverError): () => void {
    const timer = setTimeout(() => this.interrupt(reason()), ms);
    const withdraw = () => clearTimeout(timer);
    this.#releases.push(withdraw);
    return withdraw;
  }

  /** Has `release` called by {@link close}. */
  onClose(release: () => void): void {
    this.#releases.push(release);
  }

  throwIfInterrupted(): void {
    this.signal.throwIfAborted();
  }

  /** Settles as `work` does, or rejects with the reason. Work that settles later is nobody's: its rejection is dropped. */
  async race<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {});
    this.throwIfInterrupted();
    let stop: () => void = () => {};
    const interrupted = new Promise<never>((_, reject) => {
      stop = () => reject(this.reason);
      this.signal.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([work, interrupted]);
    } finally {
      this.signal.removeEventListener('abort', stop);
    }
  }

  /** Stops watching. What was interrupted stays so; nothing interrupts it any more. */
  close(): void {
    this.#closed = true;
    for (const release of this.#releases.splice(0)) release();
  }
}

/** Settles as `work` does, or rejects with what `late` makes after `ms`. */
export async function withDeadline<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  work.catch(() => {});
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
