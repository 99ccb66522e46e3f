/** Trying again: bounded, with waits that are drawn at random, so that many clients do not come back at once. */
import { ApiError } from './errors.js';
import { pause } from './pause.js';

export interface RetryPolicy {
  /** Tries in all; 1 for none again. */
  readonly attempts: number;
  /** Upper bound of the first wait, ms; doubled with every further one. */
  readonly firstWaitMs: number;
  /** No wait is longer, ms; who says in `Retry-After` that it wants more is not asked again. */
  readonly longestWaitMs: number;
  /** No try begins later than this after the first, ms. */
  readonly giveUpMs: number;
  /** A number from 0 to below 1, as Math.random. */
  readonly random: () => number;
}

export const defaultRetryPolicy: RetryPolicy = {
  attempts: 5,
  firstWaitMs: 100,
  longestWaitMs: 5_000,
  giveUpMs: 60_000,
  random: Math.random,
};

/**
 * Does `ask` until it succeeds, fails in a way that `mayRepeat` does not let pass, or the policy has had enough; then the last error is
 * thrown. Each wait is drawn evenly from 0 to its bound ("full jitter"), but is not shorter than a `Retry-After`.
 */
export async function withRetries<T>(
  ask: () => Promise<T>,
  mayRepeat: (thrown: unknown) => boolean,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<T> {
  const startedAt = Date.now();
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (thrown) {
      signal?.throwIfAborted();
      if (tries >= policy.attempts || !mayRepeat(thrown)) throw thrown;
      const wait = waitBefore(tries, thrown, policy);
      if (wait === null || Date.now() - startedAt + wait > policy.giveUpMs) throw thrown;
      await pause(wait, signal);
    }
  }
}

/** ms; null where the service wants to be left alone for longer than the policy waits. */
function waitBefore(tries: number, thrown: unknown, policy: RetryPolicy): number | null {
  const wanted = thrown instanceof ApiError ? (thrown.retryAfterMs ?? 0) : 0;
  if (wanted > policy.longestWaitMs) return null;
  const bound = Math.min(policy.firstWaitMs * 2 ** (tries - 1), policy.longestWaitMs);
  return Math.max(wanted, Math.floor(policy.random() * bound));
}
