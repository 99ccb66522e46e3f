import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BeatMeter } from '../../beat/beat-meter.mjs';
import { startAgent } from '../../daemons/agent-process.mjs';
import { footprint } from './footprint.mjs';

/** @import { MigrationReport } from '@drover/types' */
/** @import { AgentProcess } from '../../daemons/agent-process.mjs' */
/** @import { Footprint } from './footprint.mjs' */
/** @import { MachineSettings } from './settings.mjs' */

const INSTANCE = 'hopper';
/** A guest fills its working set under a KVM that emulates every instruction, ms. */
const READY_TIMEOUT_MS = 120_000;
const BEATS_TIMEOUT_MS = 30_000;
const CHECK_TIMEOUT_MS = 120_000;
/** How long the guest is watched between two moves, ms. */
const WATCHED_MS = 150;
/** How often the destination is asked for the console of the VMM that it makes, ms. */
const CONSOLE_POLL_MS = 5;

/**
 * One move of the guest.
 *
 * @typedef {object} Hop
 * @property {number} hop From 1.
 * @property {number | null} outsideMs Last beat on the source to first beat on the destination; null where one was not seen.
 * @property {MigrationReport['downtime']} downtime
 * @property {number} totalMs
 * @property {number} rounds
 * @property {number} lastRoundPages
 * @property {string | null} wrong What the guest or its beats say is wrong; null where all is right.
 * @property {{ a: Footprint, b: Footprint, machine: Footprint }} footprints Some time after the move.
 */

/** Two agents and the guest that goes to and fro between them. */
export class Pair {
  #agents;
  #meter = new BeatMeter();
  #beatMicros;
  #hop = 0;
  /** @type {string} Console of the machine where the guest is. */
  #console;

  /**
   * @param {string} title
   * @param {{ a: AgentProcess, b: AgentProcess }} agents
   * @param {number} beatMicros
   * @param {string} console
   */
  constructor(title, agents, beatMicros, console) {
    this.title = title;
    this.#agents = agents;
    this.#beatMicros = beatMicros;
    this.#console = console;
  }

  /**
   * Starts agents of the checkout, and the guest under the first.
   *
   * @param {string} title
   * @param {string} checkout
   * @param {string} directory
   * @param {MachineSettings} settings
   * @param {AbortSignal} signal
   */
  static async start(title, checkout, directory, settings, signal) {
    const a = await startAgent('a', join(directory, 'a'), checkout);
    const b = await startAgent('b', join(directory, 'b'), checkout).catch(async (thrown) => {
      await a.stop();
      throw thrown;
    });
    const { memoryMiB, pages, rate, beatMicros } = settings;
    try {
      const { consoleSocket } = await a.client.createInstance({
        spec: {
          schema: 'drover.instance-spec',
          version: 3,
          body: {
            ...{ name: INSTANCE, vmm: 'machine', cpus: 1, memoryMiB },
            boot: {
              from: 'kernel',
              kernel: join(checkout, 'native/guest/build/drover-guest.elf'),
              cmdline: `pages=${pages} rate=${rate} beat-us=${beatMicros}`,
            },
            components: { console: { kind: 'serial-port', port: 'com1' } },
          },
        },
        start: true,
      });
      if (consoleSocket === null) throw new Error('The guest has no console');
      const pair = new Pair(title, { a, b }, beatMicros, consoleSocket);
      pair.#meter.attach(consoleSocket);
      await pair.#meter.waitForReady({ timeoutMs: READY_TIMEOUT_MS, signal });
      return pair;
    } catch (thrown) {
      await Promise.all([a.stop(), b.stop()]);
      throw thrown;
    }
  }

  /**
   * Moves the guest to the other agent.
   *
   * @param {boolean} check Have it read all of its working set afterwards.
   * @param {AbortSignal} signal
   * @returns {Promise<Hop>}
   */
  async hop(check, signal) {
    this.#hop++;
    const { a, b } = this.#agents;
    const [from, to] = this.#hop % 2 === 1 ? [a, b] : [b, a];
    await this.#beats(this.#console, signal);
    this.#meter.reset();
    const { peer } = await to.client.getHost();
    const { id } = await from.client.startMigration({ instance: INSTANCE, destination: peer, settings: {} });
    const ended = new AbortController();
    const watched = AbortSignal.any([signal, ended.signal]);
    const arrival = this.#attachAt(to, watched);
    const report = await reportOf(from, id, signal).finally(() => ended.abort());
    const console = await arrival;
    if (console === null) throw new Error(`Agent ${to.name} never showed the console of the guest`);
    await this.#beats(console, signal);
    this.#meter.detach(this.#console);
    this.#console = console;
    const outsideMs = this.#meter.summary().switchovers.at(-1)?.ms ?? null;
    const verified = check ? await this.#meter.verify({ timeoutMs: CHECK_TIMEOUT_MS, signal }) : null;
    const { bad, duplicates, boots } = this.#meter.summary();
    const wrong = [
      ...(bad + (verified?.bad ?? 0) > 0 ? [`${Math.max(bad, verified?.bad ?? 0)} bad pages`] : []),
      ...(duplicates > 0 ? [`${duplicates} beats came twice`] : []),
      ...(boots > 1 ? ['it started anew'] : []),
    ];
    const { state } = await to.client.getInstance(INSTANCE);
    return {
      hop: this.#hop,
      outsideMs,
      downtime: report.downtime,
      totalMs: report.totalMs,
      rounds: report.rounds.length,
      lastRoundPages: report.rounds.at(-1)?.pages ?? 0,
      wrong: wrong.length === 0 ? null : wrong.join(', '),
      footprints: {
        a: footprint(a.pid, a.url),
        b: footprint(b.pid, b.url),
        machine: footprint(state.pid ?? 0),
      },
    };
  }

  /** Ends the agents; the guest's process outlives them, and is the caller's to end. */
  async close() {
    this.#meter.detach();
    await Promise.all(Object.values(this.#agents).map((agent) => agent.stop()));
  }

  /**
   * @param {string} source
   * @param {AbortSignal} signal
   */
  async #beats(source, signal) {
    const count = Math.ceil((WATCHED_MS * 1000) / this.#beatMicros);
    await this.#meter.waitForBeats(count, { source, timeoutMs: BEATS_TIMEOUT_MS, signal });
  }

  /**
   * Listens at the destination before the guest runs there, so that its first beat is seen.
   *
   * @param {AgentProcess} agent
   * @param {AbortSignal} signal
   * @returns {Promise<string | null>}
   */
  async #attachAt(agent, signal) {
    for (;;) {
      const view = await agent.client.getInstance(INSTANCE).catch(() => null);
      if (view?.consoleSocket) {
        this.#meter.attach(view.consoleSocket);
        return view.consoleSocket;
      }
      if (signal.aborted) return null;
      await sleep(CONSOLE_POLL_MS, undefined, { signal }).catch(() => {});
    }
  }
}

/**
 * @param {AgentProcess} agent
 * @param {string} id
 * @param {AbortSignal} signal
 */
async function reportOf(agent, id, signal) {
  for await (const event of agent.client.watchMigration(id, { signal })) {
    if (event.kind !== 'ended') continue;
    const { state, report, error } = event.migration;
    if (state === 'completed' && report !== null) return report;
    throw new Error(`The migration is ${state}: ${error?.message ?? 'no reason given'}`);
  }
  throw new Error('The events of the migration ended before the migration did');
}
