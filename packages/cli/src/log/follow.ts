import { setTimeout as sleep } from 'node:timers/promises';
import type { Output } from '../context.js';

/** How often the end of the log is read, ms. */
const POLL_MS = 250;
/** How much of it at a time, bytes: a serial line would have to write 256 KiB/s to outrun this. */
const TAIL_BYTES = 65_536;

export interface FollowOptions {
  /** Reads the last bytes of the log. */
  readonly read: (tailBytes: number) => Promise<string>;
  /** What has been printed already. */
  readonly seen: string;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly pollMs?: number;
}

/** Prints what is added to a log until `signal` aborts. Rejects when the log cannot be read any more. */
export async function followLog({ read, seen, output, signal, pollMs }: FollowOptions): Promise<void> {
  let printed = seen;
  while (!signal.aborted) {
    await sleep(pollMs ?? POLL_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const tail = await read(TAIL_BYTES);
    const added = whatFollows(printed, tail);
    if (added !== '') output.write(added);
    // Only as much as the next tail can still overlap is worth remembering.
    printed = (printed + added).slice(-TAIL_BYTES);
  }
}

/**
 * The part of `tail` that comes after `printed`, where `tail` is the end of the same growing text: the longest end of `printed`
 * that `tail` begins with is what both share. All of `tail` where they share nothing.
 */
export function whatFollows(printed: string, tail: string): string {
  if (printed.endsWith(tail)) return '';
  const longest = Math.min(printed.length, tail.length);
  for (let shared = longest; shared > 0; shared--) {
    // The cheap test of one character first: comparing whole ends each time would be quadratic.
    if (printed[printed.length - shared] !== tail[0]) continue;
    if (printed.endsWith(tail.slice(0, shared))) return tail.slice(shared);
  }
  return tail;
}
