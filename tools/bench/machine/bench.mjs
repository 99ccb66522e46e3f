import { rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endProcessesBelow } from '../../daemons/leftovers.mjs';
import { makeShortDirectory } from '../../daemons/short-directory.mjs';
import { rotated } from '../statistics.mjs';
import { Pair } from './pair.mjs';
import { describeHops, summariseHops } from './summary.mjs';

/** @import { Hop } from './pair.mjs' */
/** @import { MachineSettings } from './settings.mjs' */

const here = fileURLToPath(new URL('../../..', import.meta.url));
/** One move with its checks, ms. */
const HOP_TIMEOUT_MS = 240_000;

/**
 * Moves one guest of each build to and fro, hop by hop in turn, so that a drift of the machine hits every build alike.
 *
 * @param {MachineSettings} settings
 * @param {(line: string) => void} say
 * @param {AbortSignal} signal
 */
export async function benchMachine(settings, say, signal) {
  const base = await makeShortDirectory('drover-bench-');
  /** @type {Map<Pair, Hop[]>} */
  const hops = new Map();
  try {
    for (const [at, checkout] of [here, ...settings.against.map((path) => resolve(path))].entries()) {
      const title = at === 0 ? 'this checkout' : basename(checkout);
      hops.set(await Pair.start(title, checkout, join(base, `${at}`), settings, signal), []);
    }
    const load = loadavg();
    const { memoryMiB, pages, rate } = settings;
    say(
      `machine: ${memoryMiB} MiB, ${pages} pages written at ${rate}, ${settings.hops} hops of each build, in turn`,
    );
    for (let round = 0; round < settings.hops; round++) {
      for (const pair of rotated([...hops.keys()], round)) {
        const check = (round + 1) % settings.checkEvery === 0;
        const hop = await pair.hop(check, AbortSignal.any([signal, AbortSignal.timeout(HOP_TIMEOUT_MS)]));
        hops.get(pair)?.push(hop);
        say(`  hop ${hop.hop}  ${pair.title}: ${describe(hop)}`);
      }
    }
    const summaries = [...hops].map(([pair, measured]) => summariseHops(pair.title, measured));
    for (const summary of summaries) say(`\n${describeHops(summary)}`);
    return {
      load: { before: load[0], after: loadavg()[0] },
      builds: [...hops.values()].map((measured, at) => ({ ...summaries[at], measurements: measured })),
    };
  } finally {
    await Promise.all([...hops.keys()].map((pair) => pair.close()));
    await endProcessesBelow(base);
    await rm(base, { recursive: true, force: true });
  }
}

/** @param {Hop} hop */
function describe({ outsideMs, downtime, lastRoundPages, wrong }) {
  const outside = outsideMs === null ? 'not seen' : `${outsideMs.toFixed(1)} ms`;
  const parts = `pause ${ms(downtime.pauseMs)}, last round ${ms(downtime.lastRoundMs)} (${lastRoundPages} pages), save ${ms(downtime.stateSaveMs)}, load ${ms(downtime.loadMs)}, handover ${ms(downtime.handoverMs)}, resume ${ms(downtime.resumeMs)}`;
  return `${wrong === null ? '' : `WRONG, ${wrong}; `}${outside} outside, ${ms(downtime.totalMs)} by the report: ${parts}`;
}

/** @param {number} value */
function ms(value) {
  return value.toFixed(1);
}
