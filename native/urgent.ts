/** Running ahead of ordinary threads while a guest stands still because of this one. */
import type { NativeAddon } from './index.js';

/** Longest urgency of one holder, ms: a switchover takes milliseconds, and one that hangs must not keep others waiting. */
const LONGEST_MS = 1000;

let holders = 0;

/**
 * Makes the JavaScript thread real-time, of the lowest priority, until the answer was called (again and again is fine) or {@link LONGEST_MS} have
 * passed; with several holders, until the last of them has ended. Threads and processes that it starts stay ordinary. Where that is not
 * permitted nothing happens: only time is lost.
 */
export function holdUrgency(addon: Pick<NativeAddon, 'beginUrgency' | 'endUrgency'>): () => void {
  if (holders++ === 0) {
    try {
      addon.beginUrgency();
    } catch {
      // Neither CAP_SYS_NICE nor RLIMIT_RTPRIO, or no Linux.
    }
  }
  let held = true;
  const end = (): void => {
    if (!held) return;
    held = false;
    clearTimeout(timer);
    if (--holders === 0) addon.endUrgency();
  };
  const timer = setTimeout(end, LONGEST_MS);
  timer.unref();
  return end;
}

/** The urgency of one thing that a guest may wait for. */
export class Urgency {
  readonly #hold: () => () => void;
  #end: () => void = () => {};

  constructor(hold: () => () => void) {
    this.#hold = hold;
  }

  /** From now on for {@link LONGEST_MS}, where it was urgent already as well. */
  begin(): void {
    const endBefore = this.#end;
    this.#end = this.#hold();
    endBefore();
  }

  /** Idempotent. */
  end(): void {
    this.#end();
  }
}
