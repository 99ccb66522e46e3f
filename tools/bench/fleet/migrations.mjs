/** Many migrations at once on two replicas, one of which is killed in the middle. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, inParallel } from './waiting.mjs';

/** @import { Population } from './population.mjs' */
/** @import { Replica } from './replica.mjs' */

/** Longest wait for the end of all, ms. */
const END_MS = 600_000;

/**
 * @param {[Replica, Replica]} replicas the first one is killed
 * @param {Population} population
 * @param {number} count
 */
export async function measureMigrations([killed, survivor], population, count) {
  const { hosts, fleet } = population;
  fleet.phaseMs = 500;
  const wanted = Array.from({ length: count }, (_, number) => {
    const source = hosts[number % hosts.length];
    const instance = source && [...source.instances.values()][Math.floor(number / hosts.length)];
    const destination = hosts[(number + Math.ceil(hosts.length / 2)) % hosts.length];
    if (!source || !instance || !destination) throw new Error('there are too few guests');
    return { id: randomUUID(), source, instance, destination };
  });
  const startedAt = performance.now();
  await inParallel(wanted, 16, async ({ id, instance, destination }) => {
    const replica = Math.random() < 0.5 ? killed : survivor;
    await replica.ask('POST', '/migrations', { id, instance: instance.id, destination: destination.id });
  });
  const under = () => wanted.filter(({ id, source }) => source.migrations.has(id)).length;
  await eventually(
    async () => under(),
    (begun) => begun >= count / 4,
    { everyMs: 20, forMs: 120_000, what: 'a quarter to have begun' },
  );
  const begunAtKill = under();
  await killed.end('SIGKILL');
  fleet.controlPlane = survivor.url;
  /** @type {any[]} */
  let ends = [];
  await eventually(
    async () => {
      ends = await Promise.all(wanted.map(({ id }) => survivor.ask('GET', `/migrations/${id}`)));
      return ends.filter(({ endedAt }) => endedAt === null).length;
    },
    (open) => open === 0,
    { everyMs: 1_000, forMs: END_MS, what: 'every migration to end' },
  );
  await sleep(1_000);
  const outcome = { completed: 0, failed: 0, wrong: 0, twice: 0, forgotten: 0 };
  for (const [index, { id, source, instance, destination }] of wanted.entries()) {
    const { state } = ends[index];
    const agents = source.migrations.get(id);
    // Both sides of a migration have the same one.
    const moves = new Set(
      hosts
        .flatMap((host) => [...host.migrations.values()])
        .filter((each) => each.instance.id === instance.id),
    );
    if (agents === undefined && state === 'completed') outcome.forgotten += 1;
    if (moves.size > 1) outcome.twice += 1;
    const arrived = destination.instances.has(instance.id) && !source.instances.has(instance.id);
    if ((state === 'completed') !== arrived) outcome.wrong += 1;
    if (state === 'completed') outcome.completed += 1;
    else outcome.failed += 1;
  }
  return { count, begunAtKill, ms: performance.now() - startedAt, ...outcome };
}
