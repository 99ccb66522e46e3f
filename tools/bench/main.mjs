/**
 * The bench: Drover beside QEMU's own precopy, multifd and post-copy, on the same Linux guest, on this machine.
 *
 *   npm run bench [-- --runs 5 --json]        every option: npm run bench -- --help
 *   npm run bench -- --vmm machine            moves on /dev/kvm: downtime by parts, and what is left behind
 *
 * Two series: `idle`, for the bulk pass, and `loaded`, for the downtime. Runs are interleaved. Downtime is what the guest's own beat shows
 * from outside, for every method alike; a guest that panicked, went wrong or fell silent counts as lost.
 */
import { rm } from 'node:fs/promises';
import { endProcessesBelow } from '../daemons/leftovers.mjs';
import { makeShortDirectory } from '../daemons/short-directory.mjs';
import { droverMethod } from './drover.mjs';
import { benchGuest } from './guest.mjs';
import { benchMachine } from './machine/bench.mjs';
import { readMachineSettings } from './machine/settings.mjs';
import { qemuMethod } from './qemu.mjs';
import { METHOD_NAMES, readSettings } from './settings.mjs';
import { rotated } from './statistics.mjs';
import { summarise, summaryTable } from './summary.mjs';

/** @import { Measurement, Method } from './measurement.mjs' */
/** @import { Settings } from './settings.mjs' */

/** One run with its boot and its checks, ms; a run that takes longer is ended and counts as lost. */
const RUN_TIMEOUT_MS = 480_000;

/**
 * @param {Settings} settings
 * @param {(line: string) => void} say
 * @param {AbortSignal} signal
 */
async function bench(settings, say, signal) {
  const base = await makeShortDirectory('drover-bench-');
  /** @type {Method[]} */
  const methods = [];
  try {
    for (const name of METHOD_NAMES) {
      if (settings.only !== null && !settings.only.includes(name)) continue;
      methods.push(name === 'drover' ? await droverMethod(settings, base) : qemuMethod(name, settings, base));
    }
    /** @type {Record<string, unknown>} */
    const results = {};
    for (const series of settings.series) {
      const guest = await benchGuest(settings, series, say);
      say(
        `\n${series}: ${guest.memoryMiB} MiB, ${guest.cmdline}, ${settings.runs} runs of each, interleaved`,
      );
      /** @type {Map<Method, Measurement[]>} */
      const measurements = new Map(methods.map((method) => [method, []]));
      for (let round = 0; round < settings.runs; round++) {
        for (const method of rotated(methods, round)) {
          const measurement = await runOnce(method, guest, signal);
          measurements.get(method)?.push(measurement);
          say(`  run ${round + 1}  ${method.title}: ${describe(measurement)}`);
        }
      }
      const summaries = methods.map((method) => summarise(method, series, measurements.get(method) ?? []));
      say(`\n${summaryTable(summaries)}`);
      results[series] = summaries.map((summary, at) => ({
        ...summary,
        measurements: measurements.get(/** @type {Method} */ (methods[at])),
      }));
    }
    return results;
  } finally {
    await Promise.all(methods.map((method) => method.close()));
    await endProcessesBelow(base);
    await rm(base, { recursive: true, force: true });
  }
}

/**
 * @param {Method} method
 * @param {import('./guest.mjs').BenchGuest} guest
 * @param {AbortSignal} signal
 * @returns {Promise<Measurement>}
 */
async function runOnce(method, guest, signal) {
  const startedAt = performance.now();
  try {
    return await method.move(guest, AbortSignal.any([signal, AbortSignal.timeout(RUN_TIMEOUT_MS)]));
  } catch (thrown) {
    signal.throwIfAborted();
    const lost = thrown instanceof Error ? thrown.message : String(thrown);
    const totalMs = performance.now() - startedAt;
    return { totalMs, bulkMs: null, dataBytes: 0, ownDowntimeMs: null, downtimeMs: null, lost };
  }
}

/** @param {Measurement} measurement */
function describe({ totalMs, bulkMs, downtimeMs, lost }) {
  if (lost !== null) return `LOST, ${lost}`;
  const bulk = bulkMs === null ? '' : `, bulk pass ${Math.round(bulkMs)} ms`;
  return `downtime ${downtimeMs === null ? 'not seen' : `${downtimeMs.toFixed(1)} ms`}${bulk}, total ${Math.round(totalMs)} ms`;
}

/** Whether the moves to measure are those of machines, by `--vmm machine`. @param {readonly string[]} args */
function namesMachine(args) {
  const at = args.indexOf('--vmm');
  if (at === -1) return false;
  if (args[at + 1] === 'machine') return true;
  throw new Error('--vmm can only name "machine"; without it QEMU guests are moved');
}

async function main() {
  const args = process.argv.slice(2);
  const ofMachines = namesMachine(args);
  const settings = ofMachines ? readMachineSettings(args) : readSettings(args);
  if (settings === null) return;
  const interrupted = new AbortController();
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.on(signal, () => interrupted.abort(new Error(`Ended by ${signal}`)));
  }
  const output = settings.json ? process.stderr : process.stdout;
  /** @param {string} line */
  const say = (line) => output.write(`${line}\n`);
  const results =
    'hops' in settings
      ? await benchMachine(settings, say, interrupted.signal)
      : { series: await bench(settings, say, interrupted.signal) };
  if (settings.json) process.stdout.write(`${JSON.stringify({ settings, ...results })}\n`);
}

await main().catch((thrown) => {
  process.stderr.write(`bench: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exitCode = 1;
});
