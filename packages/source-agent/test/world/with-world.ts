import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { SourceOutcome } from '../../src/index.js';
import { World, type WorldOptions } from './world.js';

/** Runs `body` in a world of its own, which is closed whatever happens. */
export async function withWorld(options: WorldOptions, body: (world: World) => Promise<void>): Promise<void> {
  const world = await World.make(options);
  try {
    await body(world);
  } finally {
    await world.close();
  }
}

/** Waits until `condition` holds; fails after `ms`. */
export async function eventually(condition: () => boolean, what: string, ms = 5_000): Promise<void> {
  const until = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > until) expect.unreachable(`${what} did not come about within ${ms} ms`);
    await sleep(5);
  }
}

/** The guest goes on at the source with its memory right; nothing of the migration is left on either side. */
export async function expectRolledBack(world: World, outcome: SourceOutcome): Promise<void> {
  expect(outcome).toMatchObject({ guest: 'running' });
  expect(await world.source.status()).toBe('running');
  expect(world.log.filter((entry) => entry === 'destination: resume')).toEqual([]);
  await eventually(() => world.destinationLeftovers().length === 0, 'the destination empty');
  expect(world.leftovers()).toEqual([]);
  const { writes } = await world.source.check();
  await eventually(() => world.source.destroyed || writes >= 0, 'the guest at work');
  await world.source.pause();
  expect((await world.source.check()).bad).toBe(0);
}

/** The longest time that the guest stood still at the source, ms; up to now if it still does. */
export function longestPause(world: World): number {
  let longest = 0;
  let since: number | null = null;
  for (const { kind, at } of world.source.times) {
    if (kind === 'paused') since ??= at;
    else if (since !== null) {
      longest = Math.max(longest, at - since);
      since = null;
    }
  }
  return since === null ? longest : Math.max(longest, performance.now() - since);
}
