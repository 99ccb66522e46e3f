/** From a ring to the state being readable through the public API. */
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from './waiting.mjs';

/** @import { Population } from './population.mjs' */
/** @import { Replica } from './replica.mjs' */

/** Every how many rings one is followed. */
const FOLLOW = 10;
const POLL_MS = 10;
/** A state that is not readable after this long counts as this long, ms. */
const GIVE_UP_MS = 10_000;

/**
 * Rings at a steady rate for VMMs at random, each with a new state.
 *
 * @param {Replica} replica
 * @param {Population} population
 * @param {{ perSecond: number, seconds: number }} load
 */
export async function measureDoorbells(replica, population, { perSecond, seconds }) {
  /** @type {Promise<number>[]} */
  const followed = [];
  const rings = perSecond * seconds;
  const [startedAt, cpuMs] = [performance.now(), await replica.cpuMs()];
  for (let ring = 0; ring < rings; ring += 1) {
    const wait = startedAt + (ring * 1000) / perSecond - performance.now();
    if (wait > 0) await sleep(wait);
    const { host, vmmId } = population.random();
    const { generation } = host.publish(vmmId).state;
    if (ring % FOLLOW === 0) followed.push(untilReadable(replica, vmmId, BigInt(generation)));
  }
  const took = performance.now() - startedAt;
  const lags = await Promise.all(followed);
  const spent = (await replica.cpuMs()) - cpuMs;
  return {
    perSecond: (rings * 1000) / took,
    followed: lags.length,
    cpuMsPerRing: spent / rings,
    p50Ms: percentile(lags, 0.5),
    p99Ms: percentile(lags, 0.99),
  };
}

/**
 * @param {Replica} replica
 * @param {string} vmmId
 * @param {bigint} generation
 * @returns {Promise<number>} ms
 */
async function untilReadable(replica, vmmId, generation) {
  const rungAt = performance.now();
  for (;;) {
    const { state } = await replica.ask('GET', `/vmms/${vmmId}`);
    const ms = performance.now() - rungAt;
    if (BigInt(state.generation) >= generation || ms > GIVE_UP_MS) return ms;
    await sleep(POLL_MS);
  }
}
