import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks again and again until `good`; throws after `forMs`.
 *
 * @template T
 * @param {() => Promise<T>} ask
 * @param {(answer: T) => boolean} good
 * @param {{ everyMs: number, forMs: number, what: string }} limits
 * @returns {Promise<T>}
 */
export async function eventually(ask, good, { everyMs, forMs, what }) {
  for (const deadline = performance.now() + forMs; ; ) {
    const answer = await ask();
    if (good(answer)) return answer;
    if (performance.now() > deadline)
      throw new Error(`waited ${forMs} ms for ${what}; it stayed ${JSON.stringify(answer)}`);
    await sleep(everyMs);
  }
}

/**
 * @template T
 * @param {readonly T[]} items
 * @param {number} atOnce
 * @param {(item: T) => Promise<void>} work
 */
export async function inParallel(items, atOnce, work) {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/**
 * @param {readonly number[]} values
 * @param {number} share 0.99 for the 99th percentile
 */
export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
