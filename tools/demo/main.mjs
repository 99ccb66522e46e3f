/**
 * The demo: two host agents, a guest under load, and its heart beating on while it moves there and back.
 *
 *   npm run demo [-- --guest linux] [-- --vmm machine] [-- --json]
 *
 * With --json the last line of standard output is one JSON document and everything else goes to standard error. Exit code 0 only
 * when both moves completed, both sides' memory was equal, and the guest lives and found no bad page. Leaves nothing behind.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatDuration, toErrorBody } from '@drover/types';
import { BeatMeter } from '../beat/beat-meter.mjs';
import { startAgent } from './agent-process.mjs';
import { demoGuest } from './guests.mjs';
import { endProcessesBelow } from './leftovers.mjs';
import { move } from './move.mjs';
import { Narrator } from './narrator.mjs';
import { completedDocument, reportTable, shortcoming } from './report.mjs';

/** @import { Host } from '@drover/types' */
/** @import { AgentProcess } from './agent-process.mjs' */

/** How long the heart is watched before the first move, in beats of a millisecond. */
const BEATS_BEFORE = 500;
const BEATS_TIMEOUT_MS = 20_000;
/** Directories of sockets must be short; a TMPDIR longer than this is not used. */
const TMPDIR_MAX = 40;

/**
 * @param {'bare' | 'linux'} kind
 * @param {'qemu' | 'machine' | null} asked null: QEMU where it is, otherwise the machine
 * @param {Narrator} narrator
 * @param {AbortSignal} signal
 */
async function demo(kind, asked, narrator, signal) {
  const base = await mkdtemp(join(tmpdir().length > TMPDIR_MAX ? '/tmp' : tmpdir(), 'drover-demo-'));
  const meter = new BeatMeter();
  /** @type {AgentProcess[]} */
  const agents = [];
  let hasGuest = false;
  try {
    narrator.say(
      'Drover demo: a guest under load moves from host a to host b and back, and its heart goes on.\n',
    );
    for (const name of ['a', 'b']) {
      const agent = await startAgent(name, join(base, name));
      agents.push(agent);
      narrator.say(`host ${name}   ${agent.url} (agent ${agent.pid})`);
    }
    const [a, b] = /** @type {[AgentProcess, AgentProcess]} */ (agents);
    const { drivers } = await a.client.getHost();
    const vmm = chooseVmm(kind, asked, drivers);

    const { spec, description, bootTimeoutMs } = await demoGuest(kind, vmm, (line) => narrator.say(line));
    signal.throwIfAborted();
    narrator.say(`guest    ${description}`);
    const envelope = {
      schema: /** @type {const} */ ('drover.instance-spec'),
      version: vmm === 'machine' ? 3 : 1,
      body: spec,
    };
    const { state, consoleSocket } = await a.client.createInstance({ spec: envelope, start: true });
    if (state.accelerator === null || consoleSocket === null) throw new Error('The guest has no running VMM');
    narrator.say(`         ${vmm}, under ${state.accelerator}: ${state.acceleratorReason}\n`);
    hasGuest = true;
    meter.attach(consoleSocket);
    await meter.waitForReady({ timeoutMs: bootTimeoutMs, signal });
    await meter.waitForBeats(BEATS_BEFORE, { timeoutMs: BEATS_TIMEOUT_MS, signal });
    const atRest = meter.summary();
    narrator.say(
      `heart    ${atRest.beats} beats so far, longest gap at rest ${formatDuration(atRest.longestGap?.ms ?? 0)}\n`,
    );

    const moves = [];
    for (const [from, to] of /** @type {const} */ ([
      [a, b],
      [b, a],
    ])) {
      narrator.say(`${from.name} → ${to.name}`);
      const moved = await move({ from, to, instance: spec.name, meter, narrator, signal });
      moves.push(moved);
      narrator.say(
        `  moved in ${formatDuration(moved.report.totalMs)}; downtime ${formatDuration(moved.report.downtime.totalMs)} as reported, ` +
          `${formatDuration(moved.gapMs)} between two beats; the guest checked its memory: ${moved.corruptPages} bad pages\n`,
      );
    }
    narrator.say(`${reportTable(moves)}\n`);
    const missing = shortcoming(moves);
    if (missing !== null) throw new Error(missing);
    await a.client.stopInstance(spec.name, { force: true });
    await a.client.deleteInstance(spec.name);
    return completedDocument(vmm, state.accelerator, moves);
  } catch (thrown) {
    // Before there is a guest the sentence says it all.
    for (const agent of hasGuest && !signal.aborted ? agents : []) {
      narrator.say(`last words of agent ${agent.name}:\n${await agent.lastWords()}`);
    }
    throw thrown;
  } finally {
    meter.detach();
    await Promise.all(agents.map((agent) => agent.stop()));
    await endProcessesBelow(base);
    await rm(base, { recursive: true, force: true });
  }
}

/**
 * The Linux guest is QEMU's alone: it needs processor instructions that an emulating KVM lacks.
 *
 * @param {'bare' | 'linux'} kind
 * @param {'qemu' | 'machine' | null} asked
 * @param {Host['drivers']} drivers
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
    narrator.say('The guest moved there and back, alive and right.');
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
