/** Pages of lists, and the watcher's round. */
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from './waiting.mjs';

/** @import { Replica } from './replica.mjs' */

const PAGE = 100;
const LISTS = ['/hosts', '/instances', '/vmms'];

/**
 * @param {Replica} replica
 * @param {number} pages of each list
 */
export async function measurePages(replica, pages) {
  const times = [];
  for (const list of LISTS) {
    let cursor = null;
    for (let page = 0; page < pages; page += 1) {
      const query = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const startedAt = performance.now();
      const { nextCursor } = await replica.ask('GET', `${list}?limit=${PAGE}${query}`);
      times.push(performance.now() - startedAt);
      cursor = nextCursor;
    }
  }
  return { pages: times.length, p50Ms: percentile(times, 0.5), p99Ms: percentile(times, 0.99) };
}

/**
 * How many hosts were asked for everything in one period.
 *
 * @param {Replica} replica
 * @param {number} periodMs
 */
export async function measureSweep(replica, periodMs) {
  const before = (await replica.metric('drover_sweeps_total')).get('outcome="completed"') ?? 0;
  await sleep(periodMs);
  const after = (await replica.metric('drover_sweeps_total')).get('outcome="completed"') ?? 0;
  return after - before;
}
