import { readdir, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasEnded } from '@drover/client';
import { BeatMeter } from '../beat/beat-meter.mjs';
import { startFleet } from '../daemons/fleet-process.mjs';
import { endProcessesBelow } from '../daemons/leftovers.mjs';
import { makeShortDirectory } from '../daemons/short-directory.mjs';
import { tinyGuest } from './tiny-guest.mjs';

/** @import { DrainView } from '@drover/protocol' */
/** @import { FleetProcess } from '../daemons/fleet-process.mjs' */

/** How long a guest may take to fill its working set, to beat and to check its memory, ms; a second by itself. */
const GUEST_TIMEOUT_MS = 60_000;
/** A drain by itself takes about half a second for each guest. */
const DRAIN_TIMEOUT_MS = 300_000;
/** A guest that lives has beaten this often before and after, one beat in 20 ms. */
const BEATS = 20;
const POLL_MS = 10;

/**
 * @typedef {object} DrainedGuest
 * @property {string} name
 * @property {readonly string[]} hosts Every host that has an instance of this name afterwards; exactly one by R1.
 * @property {number} corruptPages
 * @property {number} doubledBeats
 * @property {number} missingBeats
 * @property {number} boots Times it said that it starts: one for a guest that never started again.
 * @property {boolean} alive
 * @property {number} gapMs The longest time between two beats.
 * @property {number | null} downtimeMs As its migration reported.
 *
 * @typedef {object} DrainedHost
 * @property {DrainView} drain
 * @property {DrainedGuest[]} guests
 * @property {number} mostAtOnce Migrations of the drain that were under way at one moment.
 * @property {number} durationMs From the request to the end of the drain.
 * @property {readonly string[]} left Processes and sockets that were there when everything had been ended; none by R12.
 */

/**
 * Fills the first of three hosts with guests that check their own memory, has the control plane drain it, and asks every guest
 * whether it was harmed. Leaves nothing behind.
 *
 * @param {object} options
 * @param {'qemu' | 'machine'} options.vmm
 * @param {number} options.guests
 * @param {number} options.concurrency
 * @param {(line: string) => void} options.log
 * @param {AbortSignal} options.signal
 * @returns {Promise<DrainedHost>}
 */
export async function drainGuests({ vmm, guests, concurrency, log, signal }) {
  const base = await makeShortDirectory('drover-drain-');
  /** @type {Map<string, BeatMeter>} */
  const meters = new Map();
  /** @type {FleetProcess | null} */
  let fleet = null;
  const ending = new AbortController();
  const watched = AbortSignal.any([signal, ending.signal]);
  try {
    fleet = await startFleet(base, { agents: 3 });
    const started = performance.now();
    for (let index = 0; index < guests; index += 1) {
      const spec = tinyGuest(`tiny-${index}`, vmm);
      meters.set(spec.name, new BeatMeter());
      const envelope = { schema: /** @type {const} */ ('drover.instance-spec'), version: 3, body: spec };
      await fleet.client.createInstance(
        { spec: envelope, start: true, placement: { host: 'a' } },
        { signal },
      );
    }
    const listening = listen(fleet, meters, watched);
    await everyGuest(meters, (meter) => meter.waitForReady({ timeoutMs: GUEST_TIMEOUT_MS, signal }));
    await everyGuest(meters, (meter) => meter.waitForBeats(BEATS, { timeoutMs: GUEST_TIMEOUT_MS, signal }));
    for (const meter of meters.values()) meter.reset();
    log(`${guests} guests run on a after ${Math.round(performance.now() - started)} ms`);

    const counting = countAtOnce(fleet, watched);
    const asked = performance.now();
    const drain = await drained(fleet, concurrency, log, signal);
    const durationMs = performance.now() - asked;
    await everyGuest(meters, (meter) => meter.waitForBeats(BEATS, { timeoutMs: GUEST_TIMEOUT_MS, signal }));
    await everyGuest(meters, (meter) => meter.verify({ timeoutMs: GUEST_TIMEOUT_MS, signal }));
    const found = await inspect(fleet, meters, drain, signal);
    ending.abort();
    await listening;
    const mostAtOnce = await counting;
    await fleet.stop();
    fleet = null;
    const left = [
      ...(await endProcessesBelow(base)).map((pid) => `process ${pid}`),
      ...(await socketsBelow(base)).map((path) => `socket ${path}`),
    ];
    return { drain, guests: found, mostAtOnce, durationMs, left };
  } finally {
    ending.abort();
    for (const meter of meters.values()) meter.detach();
    await fleet?.stop();
    await endProcessesBelow(base);
    await rm(base, { recursive: true, force: true });
  }
}

/**
 * @param {Map<string, BeatMeter>} meters
 * @param {(meter: BeatMeter) => Promise<unknown>} ask
 */
async function everyGuest(meters, ask) {
  await Promise.all(
    [...meters].map(async ([name, meter]) => {
      await ask(meter).catch((thrown) => {
        throw new Error(`${name}: ${thrown instanceof Error ? thrown.message : thrown}`, { cause: thrown });
      });
    }),
  );
}

/**
 * Listens to the console of every guest on every host where it has one, so that a guest that runs twice is heard twice.
 *
 * @param {FleetProcess} fleet
 * @param {Map<string, BeatMeter>} meters
 * @param {AbortSignal} signal
 */
async function listen({ hosts }, meters, signal) {
  while (!signal.aborted) {
    for (const { client } of hosts) {
      for (const { name, consoleSocket } of await client.listInstances({ signal }).catch(() => [])) {
        if (consoleSocket !== null) meters.get(name)?.attach(consoleSocket);
      }
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/**
 * Resolves, when the signal aborts, with the most migrations that were under way at one moment.
 *
 * @param {FleetProcess} fleet
 * @param {AbortSignal} signal
 * @returns {Promise<number>}
 */
async function countAtOnce({ client }, signal) {
  /** @type {Set<string>} */
  const underWay = new Set();
  let most = 0;
  try {
    for await (const { event } of client.watchEvents({ kinds: ['migration'], signal })) {
      if (event.kind !== 'migration') continue;
      if (hasEnded(event.migration)) underWay.delete(event.migration.id);
      else underWay.add(event.migration.id);
      most = Math.max(most, underWay.size);
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
  return most;
}

/**
 * @param {FleetProcess} fleet
 * @param {number} concurrency
 * @param {(line: string) => void} log
 * @param {AbortSignal} signal
 */
async function drained({ client }, concurrency, log, signal) {
  const settings = { connections: 1, verify: true };
  const { id } = await client.drainHost('a', { concurrency, settings }, { signal });
  const deadline = performance.now() + DRAIN_TIMEOUT_MS;
  let moved = -1;
  for (;;) {
    const drain = await client.getDrain(id, { signal });
    if (drain.moved !== moved) log(`${drain.moved} of ${drain.total} moved`);
    moved = drain.moved;
    if (drain.state !== 'running') return drain;
    if (performance.now() > deadline) throw new Error(`The drain has not ended: ${JSON.stringify(drain)}`);
    await sleep(20 * POLL_MS, undefined, { signal });
  }
}

/**
 * @param {FleetProcess} fleet
 * @param {Map<string, BeatMeter>} meters
 * @param {DrainView} drain
 * @param {AbortSignal} signal
 * @returns {Promise<DrainedGuest[]>}
 */
async function inspect({ client, hosts }, meters, drain, signal) {
  const places = await Promise.all(
    hosts.map(async (host) => ({
      host: host.name,
      names: (await host.client.listInstances({ signal })).map(({ name }) => name),
    })),
  );
  return Promise.all(
    [...meters].map(async ([name, meter]) => {
      const { bad, duplicates, missing, boots, alive, longestGap } = meter.summary();
      const item = drain.items.find(({ instanceName }) => instanceName === name);
      const migration = item?.migrationId ? await client.getMigration(item.migrationId, { signal }) : null;
      return {
        name,
        hosts: places.filter(({ names }) => names.includes(name)).map(({ host }) => host),
        corruptPages: bad,
        doubledBeats: duplicates,
        missingBeats: missing,
        boots,
        alive,
        gapMs: longestGap?.ms ?? 0,
        downtimeMs: migration?.report?.downtime.totalMs ?? null,
      };
    }),
  );
}

/** @param {string} directory */
async function socketsBelow(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isSocket()).map((entry) => entry.name);
}
