/**
 * The demo: a control plane and two host agents, a guest under load, and its heart beating on while it moves there and back and is
 * drained away.
 *
 *   npm run demo [-- --guest linux] [-- --vmm machine] [-- --json]
 *
 * With --json the last line of standard output is one JSON document and everything else goes to standard error. Exit code 0 only
 * when all moves completed, both sides' memory was equal, and the guest lives and found no bad page. Leaves nothing behind.
 */
import { readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { formatDuration, toErrorBody } from '@drover/types';
import { BeatMeter } from '../beat/beat-meter.mjs';
import { startFleet } from '../daemons/fleet-process.mjs';
import { endProcessesBelow } from '../daemons/leftovers.mjs';
import { makeShortDirectory } from '../daemons/short-directory.mjs';
import { drain, migrate } from './fleet-moves.mjs';
import { demoGuest } from './guests.mjs';
import { watchMove } from './move.mjs';
import { Narrator } from './narrator.mjs';
import { completedDocument, fleetTable, reportTable, shortcoming } from './report.mjs';

/** @import { ControlPlaneClient } from '@drover/client' */
/** @import { DrainView, FleetVmm } from '@drover/protocol' */
/** @import { HostV2 } from '@drover/types' */
/** @import { FleetHost } from '../daemons/fleet-process.mjs' */
/** @import { Move } from './move.mjs' */

/** How long the heart is watched before the first move, in beats of a millisecond. */
const BEATS_BEFORE = 500;
const BEATS_TIMEOUT_MS = 20_000;
/** How long the control plane may take to bring about what it was asked for, ms; a fraction of a second by itself. */
const REACHED_TIMEOUT_MS = 30_000;
const POLL_MS = 50;

/**
 * @param {'bare' | 'linux'} kind
 * @param {'qemu' | 'machine' | null} asked null: QEMU where it is, otherwise the machine
 * @param {Narrator} narrator
 * @param {AbortSignal} signal
 */
async function demo(kind, asked, narrator, signal) {
  const base = await makeShortDirectory('drover-demo-');
  const meter = new BeatMeter();
  /** @type {import('../daemons/fleet-process.mjs').FleetProcess | null} */
  let fleet = null;
  let hasGuest = false;
  try {
    narrator.say('Drover demo: a guest under load moves between two hosts, and its heart goes on.\n');
    fleet = await startFleet(base);
    const { client } = fleet;
    const [a, b] = /** @type {[FleetHost, FleetHost]} */ (fleet.hosts);
    narrator.say(`control plane  ${fleet.url}`);
    for (const { name, url, pid } of [a, b]) narrator.say(`host ${name}         ${url} (agent ${pid})`);
    const { drivers } = await a.client.getHost();
    const vmm = chooseVmm(kind, asked, drivers);

    const { spec, description, bootTimeoutMs } = await demoGuest(kind, vmm, (line) => narrator.say(line));
    signal.throwIfAborted();
    narrator.say(`guest          ${description}`);
    const envelope = {
      schema: /** @type {const} */ ('drover.instance-spec'),
      version: vmm === 'machine' ? 3 : 1,
      body: spec,
    };
    await client.createInstance({ spec: envelope, start: true, placement: { host: a.name } });
    hasGuest = true;
    const { state } = await untilRunning(client, spec.name, signal);
    const { consoleSocket } = await a.client.getInstance(spec.name);
    if (state.accelerator === null || consoleSocket === null) throw new Error('The guest has no running VMM');
    narrator.say(`               ${vmm}, under ${state.accelerator}: ${state.acceleratorReason}\n`);
    meter.attach(consoleSocket);
    await meter.waitForReady({ timeoutMs: bootTimeoutMs, signal });
    await meter.waitForBeats(BEATS_BEFORE, { timeoutMs: BEATS_TIMEOUT_MS, signal });
    const atRest = meter.summary();
    narrator.say(
      `heart          ${atRest.beats} beats so far, longest gap at rest ${formatDuration(atRest.longestGap?.ms ?? 0)}`,
    );
    await preflight(client, spec.name, narrator, signal);

    /** @type {Move[]} */
    const moves = [];
    const scene = { instance: spec.name, meter, signal };
    const stage = { fleet: client, meter, narrator };
    for (const [from, to] of /** @type {const} */ ([
      [a, b],
      [b, a],
    ])) {
      narrator.say(`${from.name} → ${to.name}`);
      const moved = await watchMove({
        ...scene,
        from,
        to,
        run: (whole) => migrate({ ...stage, instance: spec.name, to: to.name, signal: whole }),
      });
      moves.push(moved);
      sayMoved(narrator, moved);
    }
    narrator.say(`${a.name} is drained`);
    /** @type {DrainView[]} */
    const drains = [];
    const left = await watchMove({
      ...scene,
      from: a,
      to: b,
      run: async (whole) => {
        const { view, report } = await drain({ ...stage, host: a.name, signal: whole });
        drains.push(view);
        return report;
      },
    });
    moves.push(left);
    sayMoved(narrator, left);

    const { items: hosts } = await client.listHosts({}, { signal });
    narrator.say(`${reportTable(moves)}\n\nthe fleet\n${fleetTable(hosts)}\n`);
    const missing = shortcoming(moves);
    if (missing !== null) throw new Error(missing);
    const { accelerator } = state;
    return completedDocument({ driver: vmm, accelerator, moves, drains, hosts });
  } catch (thrown) {
    // Before there is a guest the sentence says it all.
    for (const { name, log } of hasGuest && !signal.aborted ? (fleet?.hosts ?? []) : []) {
      const words = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').slice(-4);
      narrator.say(`last words of agent ${name}:\n${words.join('\n')}`);
    }
    throw thrown;
  } finally {
    meter.detach();
    await fleet?.stop();
    await endProcessesBelow(base);
    await rm(base, { recursive: true, force: true });
  }
}

/**
 * @param {Narrator} narrator
 * @param {Move} moved
 */
function sayMoved(narrator, { report, gapMs, corruptPages }) {
  narrator.say(
    `  moved in ${formatDuration(report.totalMs)}; downtime ${formatDuration(report.downtime.totalMs)} as reported, ` +
      `${formatDuration(gapMs)} between two beats; the guest checked its memory: ${corruptPages} bad pages\n`,
  );
}

/**
 * @param {ControlPlaneClient} fleet
 * @param {string} instance
 * @param {AbortSignal} signal
 * @returns {Promise<FleetVmm>}
 */
async function untilRunning(fleet, instance, signal) {
  const deadline = performance.now() + REACHED_TIMEOUT_MS;
  for (;;) {
    const { vmm, problem } = await fleet.getInstance(instance, { signal });
    if (problem !== null && !problem.retryable) throw new Error(`${problem.message} [${problem.code}]`);
    if (vmm?.state.life === 'running') return vmm;
    if (performance.now() > deadline) {
      const why = problem === null ? '' : `: ${problem.message} [${problem.code}]`;
      throw new Error(`The guest does not run after ${formatDuration(REACHED_TIMEOUT_MS)}${why}`);
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}

/**
 * Says what the control plane thinks of the moves to come.
 *
 * @param {ControlPlaneClient} fleet
 * @param {string} instance
 * @param {Narrator} narrator
 * @param {AbortSignal} signal
 */
async function preflight(fleet, instance, narrator, signal) {
  for (const { host, moves, findings } of await fleet.checkPreflight({ instance }, { signal })) {
    narrator.say(`preflight      to ${host.name}: ${moves ? 'moves' : 'refused'}`);
    for (const { severity, sentence, code } of findings) {
      narrator.say(`               ${severity}: ${sentence} [${code}]`);
    }
  }
  narrator.say('');
}

/**
 * The Linux guest is QEMU's alone: it needs processor instructions that an emulating KVM lacks.
 *
 * @param {'bare' | 'linux'} kind
 * @param {'qemu' | 'machine' | null} asked
 * @param {HostV2['drivers']} drivers
 * @returns {'qemu' | 'machine'}
 */
function chooseVmm(kind, asked, drivers) {
  const unusable = (/** @type {string} */ name) => drivers.find((driver) => driver.name === name)?.unusable;
  const free = asked === null && kind === 'bare' && unusable('qemu') && unusable('machine') === null;
  const vmm = free ? 'machine' : (asked ?? 'qemu');
  const why = unusable(vmm);
  if (why) throw new Error(why);
  return vmm;
}

async function main() {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      guest: { type: 'string', default: 'bare' },
      vmm: { type: 'string' },
    },
  });
  if (values.guest !== 'bare' && values.guest !== 'linux') {
    throw new Error(`--guest is "${values.guest}"; it can be bare or linux`);
  }
  const { vmm = null } = values;
  if (vmm !== null && vmm !== 'qemu' && vmm !== 'machine') {
    throw new Error(`--vmm is "${vmm}"; it can be qemu or machine`);
  }
  if (values.guest === 'linux' && vmm === 'machine') {
    throw new Error('--guest linux runs under QEMU alone; leave --vmm out');
  }
  const interrupted = new AbortController();
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.on(signal, () => interrupted.abort(new Error(`Ended by ${signal}`)));
  }
  const narrator = new Narrator(values.json ? process.stderr : process.stdout);
  try {
    const document = await demo(values.guest, vmm, narrator, interrupted.signal);
    narrator.say('The guest moved there and back and away, alive and right.');
    if (values.json) process.stdout.write(`${JSON.stringify(document)}\n`);
  } catch (thrown) {
    // What was waited for says only that it was aborted; the reason is who aborted it.
    const error = toErrorBody(interrupted.signal.aborted ? interrupted.signal.reason : thrown);
    process.exitCode = 1;
    if (values.json) process.stdout.write(`${JSON.stringify({ result: 'failed', error })}\n`);
    process.stderr.write(`demo: ${error.message}\n`);
  }
}

await main().catch((thrown) => {
  process.stderr.write(`demo: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exitCode = 2;
});
