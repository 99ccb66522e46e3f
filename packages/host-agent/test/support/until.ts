import { setTimeout as sleep } from 'node:timers/promises';

/** Asks again and again until `good`; fails with the last answer after 10 s. */
export async function until<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<T> {
  for (const deadline = Date.now() + 10_000; ; ) {
    const answer = await ask();
    if (good(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`it stayed ${JSON.stringify(answer)}`);
    await sleep(10);
  }
}
