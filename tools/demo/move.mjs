import { setTimeout as sleep } from 'node:timers/promises';

/** @import { MigrationReport } from '@drover/types' */
/** @import { BeatMeter } from '../beat/beat-meter.mjs' */
/** @import { FleetHost } from '../daemons/fleet-process.mjs' */

/** A whole move, ms; hundreds of times what it takes. */
const MOVE_TIMEOUT_MS = 300_000;
/** How long the guest is watched after it has arrived, in beats of a millisecond. */
const BEATS_AFTER = 300;
const BEATS_TIMEOUT_MS = 20_000;
/** The guest reads all of its working set while it goes on writing, ms. */
const VERIFY_TIMEOUT_MS = 120_000;
/** How often the destination is asked for the console of the VMM that it makes, ms. */
const CONSOLE_POLL_MS = 10;

/**
 * What one move was, as the agents report it and as it was seen from outside.
 *
 * @typedef {object} Move
 * @property {string} from
 * @property {string} to
 * @property {MigrationReport} report
 * @property {number} gapMs Last beat on the source's console to first beat on the destination's.
 * @property {number} missingBeats
 * @property {number} doubleBeats Beats that came twice: a guest that ran in two places (R1).
 * @property {number} corruptPages
 * @property {boolean} alive
 */

/**
 * Watches the instance's heart while `run` moves it, then has the guest verify its whole working set.
 *
 * @param {object} options
 * @param {FleetHost} options.from
 * @param {FleetHost} options.to
 * @param {string} options.instance
 * @param {BeatMeter} options.meter Attached to the console on the source.
 * @param {AbortSignal} options.signal
 * @param {(signal: AbortSignal) => Promise<MigrationReport>} options.run
 * @returns {Promise<Move>}
 */
export async function watchMove({ from, to, instance, meter, signal, run }) {
  meter.reset();
  const whole = AbortSignal.any([signal, AbortSignal.timeout(MOVE_TIMEOUT_MS)]);
  const migrationEnded = new AbortController();
  const watched = AbortSignal.any([whole, migrationEnded.signal]);
  const arrival = attachWhenThere(to, instance, meter, watched);
  let report;
  try {
    report = await run(whole);
  } finally {
    migrationEnded.abort();
  }
  const source = await arrival;
  if (source === null) throw new Error(`Agent ${to.name} never showed the console of ${instance}`);
  await meter.waitForBeats(BEATS_AFTER, { source, timeoutMs: BEATS_TIMEOUT_MS, signal });
  const seen = meter.summary();
  const verified = await meter.verify({ timeoutMs: VERIFY_TIMEOUT_MS, signal });
  const after = meter.summary();
  const switchover = seen.switchovers.at(-1);
  if (switchover === undefined) throw new Error('No beat was seen on both sides of the switchover');
  return {
    from: from.name,
    to: to.name,
    report,
    gapMs: switchover.ms,
    missingBeats: seen.missing,
    doubleBeats: seen.duplicates,
    corruptPages: Math.max(after.bad, verified.bad),
    alive: after.alive,
  };
}

/**
 * Attaches the meter to the console of the VMM that the destination makes, before that VMM runs, so that its first beat is seen.
 *
 * @param {FleetHost} host
 * @param {string} instance
 * @param {BeatMeter} meter
 * @param {AbortSignal} signal
 * @returns {Promise<string | null>} the console; null where none came before `signal`
 */
async function attachWhenThere(host, instance, meter, signal) {
  for (;;) {
    // Until the destination has been asked to prepare there is no such instance, which is an error of the API.
    const view = await host.client.getInstance(instance).catch(() => null);
    if (view?.consoleSocket) {
      meter.attach(view.consoleSocket);
      return view.consoleSocket;
    }
    if (signal.aborted) return null;
    await sleep(CONSOLE_POLL_MS, undefined, { signal }).catch(() => {});
  }
}
