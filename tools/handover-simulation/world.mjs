/** Two hosts, a network between them, an operator, and the clock that they share. */
import { SimulatedHost } from './host.mjs';
import { Network } from './network.mjs';
import { Random } from './random.mjs';
import { durableEntries, JOURNAL, Rules } from './rules.mjs';
import { Scheduler } from './scheduler.mjs';

export const NORTH = '10.0.0.1';
export const SOUTH = '10.0.0.2';

/** Waits this long for a host to be READY for something, ms: less than a host waits for a first request. */
const STRANGER_WAITS_MS = 5_000;

/** The code under test, loaded by `hooks.mjs` on the simulated platform. @typedef {{ startHostAgent: Function, connectControl: Function, exchangeHellos: Function, instanceSpecSchema: any, migrationSettingsSchema: any }} CodeUnderTest */

export class World {
  random;
  scheduler;
  network;
  rules;
  hosts;
  /** Where device state is awaited: by host and path. @type {Map<string, (device: number) => void>} */
  stateSockets = new Map();

  /** @param {CodeUnderTest} code @param {number} seed @param {boolean} traced */
  constructor(code, seed, traced) {
    this.code = code;
    this.random = new Random(seed);
    this.scheduler = new Scheduler(this.random, traced);
    this.network = new Network(this.scheduler);
    /** Whether the guest has devices that pin pages. */
    this.quiesced = this.random.chance(0.25);
    /** Whether VMMs load device state ahead of the last pages. */
    this.loadsAhead = this.random.chance(0.5);
    /** Whether VMMs write it as soon as they stand still; never those that are paused in every round. */
    this.savesAtPause = !this.quiesced && this.random.chance(0.5);
    this.hosts = [new SimulatedHost(this, 'north', NORTH), new SimulatedHost(this, 'south', SOUTH)];
    this.rules = new Rules(this);
  }

  /** @param {string} address */
  host(address) {
    return /** @type {SimulatedHost} */ (this.hosts.find((each) => each.address === address));
  }

  /** @param {import('./scheduler.mjs').Process} process @param {import('./host.mjs').AgentParts} parts */
  agentIsUp(process, parts) {
    const { host } = process;
    if (host?.agent !== process) return;
    host.agent.parts = parts;
    this.scheduler.note(`agent ${process.name} is up`);
  }

  /**
   * Somebody with an epoch that is not the migration's is connected to a host ahead of time, and sends COMMIT the moment that the host has READY on its disk:
   * before the source, which has still to hear of it, can. Where nothing becomes READY in time, for what the host knows at all.
   *
   * @param {SimulatedHost} host
   */
  stranger(host) {
    const { connectControl, exchangeHellos } = this.code;
    const epoch = String(this.random.pick([1, 3, 4]));
    const stranger = { name: 'stranger', alive: true, host: null };
    this.scheduler.after(0, stranger, async () => {
      try {
        const channel = await connectControl({ host: host.address, port: 7701, timeoutMs: 5_000 });
        await exchangeHellos(channel, { release: '0.2.0', hostName: 'stranger' }, { timeoutMs: 5_000 });
        const migrationId = await this.#ready(host, stranger);
        if (migrationId !== null) await channel.send('commit', { migrationId, epoch });
        await channel.ended;
      } catch (thrown) {
        this.scheduler.note(`stranger: ${thrown instanceof Error ? thrown.message : thrown}`);
      }
    });
  }

  /** The migration that a host is READY for, as soon as it is. @param {SimulatedHost} host @param {import('./scheduler.mjs').Process} who @returns {Promise<string | null>} */
  #ready(host, who) {
    const { scheduler } = this;
    return new Promise((resolve) => {
      const answer = (/** @type {string | null} */ id) => {
        host.disk.onDurable = null;
        scheduler.after(0, who, () => resolve(id));
      };
      const look = () => {
        const newest = durableEntries(host).at(-1);
        if (newest?.role === 'destination' && newest.state === 'ready') answer(newest.migrationId);
      };
      host.disk.onDurable = (path) => {
        if (path === JOURNAL) look();
      };
      scheduler.after(STRANGER_WAITS_MS, who, () => answer(host.agent?.parts?.store.list()[0]?.id ?? null));
      look();
    });
  }

  /** What a process logs, in the trace. @param {import('./scheduler.mjs').Process} process */
  logger(process) {
    const { scheduler } = this;
    const write =
      (/** @type {string} */ level) => (/** @type {any} */ first, /** @type {string} */ message) => {
        if (scheduler.trace === null) return;
        const [fields, text] = typeof first === 'string' ? [{}, first] : [first, message];
        const why = fields.err ? `: ${fields.err.message}` : '';
        scheduler.note(`${process.name} ${level}: ${text ?? ''}${why}`);
      };
    const logger = {
      child: () => logger,
      trace() {},
      debug() {},
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
    };
    return logger;
  }
}
