/** The two ways in which the demo has the control plane move its guest. */
import { setTimeout as sleep } from 'node:timers/promises';
import { hasEnded } from '@drover/client';
import { progressLine } from './narrator.mjs';

/** @import { ControlPlaneClient } from '@drover/client' */
/** @import { DrainView, FleetMigration } from '@drover/protocol' */
/** @import { MigrationReport } from '@drover/types' */
/** @import { BeatMeter } from '../beat/beat-meter.mjs' */
/** @import { Narrator } from './narrator.mjs' */

const settings = { connections: 2, verify: true };
/** The drain is read this often where no event tells of it, ms. */
const READ_MS = 500;

/**
 * Tells of a migration as the control plane has it.
 *
 * @param {Narrator} narrator
 * @param {BeatMeter} meter
 * @returns {(migration: FleetMigration) => void}
 */
function teller(narrator, meter) {
  let step = '';
  return ({ progress }) => {
    if (progress === null) return;
    const line = progressLine(progress, meter.summary());
    const { phase, round } = progress;
    if (`${phase} ${round}` === step) narrator.show(line);
    else narrator.say(line);
    step = `${phase} ${round}`;
  };
}

/**
 * @param {FleetMigration} migration
 * @returns {MigrationReport}
 */
function reportOf({ state, error, report }) {
  if (state === 'completed' && report !== null) return report;
  throw new Error(
    `The migration is ${state}: ${error ? `${error.message} [${error.code}]` : 'no reason given'}`,
  );
}

/**
 * @param {object} options
 * @param {ControlPlaneClient} options.fleet
 * @param {string} options.instance
 * @param {string} options.to
 * @param {BeatMeter} options.meter
 * @param {Narrator} options.narrator
 * @param {AbortSignal} options.signal
 * @returns {Promise<MigrationReport>}
 */
export async function migrate({ fleet, instance, to, meter, narrator, signal }) {
  const { id } = await fleet.createMigration({ instance, destination: to, settings }, { signal });
  const tell = teller(narrator, meter);
  for await (const migration of fleet.watchMigration(id, { signal })) {
    tell(migration);
    if (hasEnded(migration)) return reportOf(migration);
  }
  throw new Error('The events of the migration ended before the migration did');
}

/**
 * Drains the host of its one guest.
 *
 * @param {object} options
 * @param {ControlPlaneClient} options.fleet
 * @param {string} options.host
 * @param {BeatMeter} options.meter
 * @param {Narrator} options.narrator
 * @param {AbortSignal} options.signal
 * @returns {Promise<{ view: DrainView, report: MigrationReport }>}
 */
export async function drain({ fleet, host, meter, narrator, signal }) {
  const { id } = await fleet.drainHost(host, { settings }, { signal });
  const done = new AbortController();
  const watched = AbortSignal.any([signal, done.signal]);
  const tell = teller(narrator, meter);
  const watch = async () => {
    for await (const { event } of fleet.watchEvents({ kinds: ['migration', 'drain'], signal: watched })) {
      if (event.kind === 'migration' && event.migration.drainId === id) tell(event.migration);
      if (event.kind === 'drain' && event.drain.id === id && event.drain.state !== 'running') return;
    }
  };
  // Without the events the drain is still read; they make it quick.
  watch().then(
    () => done.abort(),
    () => {},
  );
  try {
    for (;;) {
      const view = await fleet.getDrain(id, { signal });
      if (view.state !== 'running') return conclude(fleet, view, signal);
      await sleep(READ_MS, undefined, { signal: watched }).catch(() => signal.throwIfAborted());
    }
  } finally {
    done.abort();
  }
}

/**
 * @param {ControlPlaneClient} fleet
 * @param {DrainView} view
 * @param {AbortSignal} signal
 */
async function conclude(fleet, view, signal) {
  const [item] = view.items;
  if (view.state !== 'completed' || !item?.migrationId) {
    const why = item?.error ? `${item.error.message} [${item.error.code}]` : 'no reason given';
    throw new Error(`The drain of ${view.hostName} is ${view.state}: ${why}`);
  }
  return { view, report: reportOf(await fleet.getMigration(item.migrationId, { signal })) };
}
