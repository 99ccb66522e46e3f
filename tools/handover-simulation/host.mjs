/** A host: its disk, its VMMs and their processes, and the agent on it; what of these survives what. */
import { SimulatedDisk } from './simulated-disk.mjs';
import { SimulatedDriver } from './vmm.mjs';

/** @typedef {import('../../packages/host-agent/src/host-agent.ts').AgentParts} AgentParts */
/** @typedef {import('./scheduler.mjs').Process & { host: SimulatedHost, parts: AgentParts | null, failure: unknown, stopping: boolean, agent: { close(): Promise<void> } | null }} AgentProcess */

/** An operation of a disk, ms: most are quick, some wait in a queue. */
const QUICK_MS = [0.02, 0.6];
const QUEUED_MS = [1, 40];

export class SimulatedHost {
  #world;
  /** @type {AgentProcess | null} */
  agent = null;
  #starts = 0;
  /** The disk was full at some time. */
  diskWasFull = false;

  /** @param {import('./world.mjs').World} world @param {string} name @param {string} address */
  constructor(world, name, address) {
    this.#world = world;
    this.name = name;
    this.address = address;
    const { random, scheduler } = world;
    this.disk = new SimulatedDisk({
      choose: (below) => random.below(below),
      step: () => {
        const [from = 0, to = 0] = random.chance(0.06) ? QUEUED_MS : QUICK_MS;
        return scheduler.wait(random.between(from, to));
      },
    });
    this.disk.makeDirectory('/run');
    this.processes = new ProcessTable();
    this.locks = new Locks();
    this.driver = new SimulatedDriver(world, this);
  }

  /** Starts the agent's process. What goes wrong in it is in its `failure`. @returns {AgentProcess} */
  startAgent() {
    this.#starts += 1;
    const { name, address } = this;
    const process = /** @type {AgentProcess} */ ({
      name: `${name}${this.#starts}`,
      alive: true,
      host: this,
      parts: null,
      failure: null,
      stopping: false,
      agent: null,
    });
    this.agent = process;
    const { scheduler } = this.#world;
    scheduler.note(`agent ${process.name} starts`);
    scheduler.after(0, process, () => {
      this.#world.code
        .startHostAgent(
          {
            name,
            stateDir: '/state',
            runDir: '/run',
            listen: { host: address, port: 7700 },
            peerListen: { host: address, port: 7701 },
          },
          { logger: this.#world.logger(process), drivers: [this.driver] },
        )
        .then((/** @type {{ close(): Promise<void> }} */ agent) => {
          process.agent = agent;
        })
        .catch((/** @type {unknown} */ thrown) => {
          process.failure = thrown;
          scheduler.note(`agent ${process.name} did not start: ${thrown}`);
          this.killAgent();
        });
    });
    return process;
  }

  /** SIGKILL: what it told the kernel happens, nothing else does; its VMMs go on. */
  killAgent(silently = false) {
    const { agent } = this;
    if (!agent?.alive) return;
    agent.alive = false;
    this.locks.releaseAll(agent);
    this.processes.forgetListeners(agent);
    this.#world.network.abandon(agent, silently);
  }

  /** The host stops at once: the agent and every VMM are gone, and of the disk what was synced is sure. */
  losePower() {
    this.killAgent(true);
    this.processes.endAll('the host lost power');
    this.disk.losePower();
    // Memory, as on every Linux.
    this.disk.removeTree('/run');
    this.disk.makeDirectory('/run');
  }
}

/** Beyond any pid of Linux. */
const FIRST_PID = 10_000_000;

/** The VMMs of a host by pid. */
class ProcessTable {
  /** @type {Map<number, import('./vmm-process.mjs').VmmProcess>} */
  #byPid = new Map();
  #nextPid = FIRST_PID;

  /** @param {(pid: number) => import('./vmm-process.mjs').VmmProcess} make */
  add(make) {
    const process = make(this.#nextPid++);
    this.#byPid.set(process.pid, process);
    return process;
  }

  /** @param {number} pid */
  get(pid) {
    return this.#byPid.get(pid) ?? null;
  }

  pids() {
    return [...this.#byPid.keys()];
  }

  list() {
    return [...this.#byPid.values()];
  }

  /** @param {number} pid */
  commandLine(pid) {
    const process = this.#byPid.get(pid);
    return process
      ? `/usr/bin/qemu-system-x86_64\0-chardev\0socket,path=${process.directory}/qmp.sock\0`
      : '';
  }

  /** @param {number} pid */
  remove(pid) {
    this.#byPid.delete(pid);
  }

  /** @param {string} why */
  endAll(why) {
    for (const process of this.list()) process.end(why);
  }

  /** @param {import('./scheduler.mjs').Process} agent */
  forgetListeners(agent) {
    for (const process of this.#byPid.values()) process.forgetListeners(agent);
  }
}

/** Advisory locks on files, gone with whoever held them. */
class Locks {
  /** @type {Map<string, import('./scheduler.mjs').Process>} */
  #held = new Map();
  /** @type {Map<number, { path: string, process: import('./scheduler.mjs').Process | null }>} */
  #descriptors = new Map();
  #next = 10;

  /** @param {string} path @param {import('./scheduler.mjs').Process | null} process */
  open(path, process) {
    const fd = this.#next++;
    this.#descriptors.set(fd, { path, process });
    return fd;
  }

  /** @param {number} fd */
  tryLock(fd) {
    const descriptor = this.#descriptors.get(fd);
    if (!descriptor?.process) throw new Error(`descriptor ${fd} is not open`);
    if (this.#held.has(descriptor.path)) return false;
    this.#held.set(descriptor.path, descriptor.process);
    return true;
  }

  /** @param {string} path */
  close(path) {
    this.#held.delete(path);
  }

  /** @param {import('./scheduler.mjs').Process} process */
  releaseAll(process) {
    for (const [path, holder] of this.#held) if (holder === process) this.#held.delete(path);
  }
}
