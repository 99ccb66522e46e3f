/**
 * The driver of simulated VMMs, and what an agent holds of one: a handle. A command that an agent has sent is carried out even when the
 * agent is killed before the answer.
 */
import { createHash } from 'node:crypto';
import { DroverError } from '../../packages/types/dist/index.js';
import { PAGES, VmmProcess } from './vmm-process.mjs';

/** A command to a VMM and its answer, one way, ms. */
const COMMAND_MS = [0.05, 0.8];
/** Starting a VMM, ms. */
const LAUNCH_MS = [5, 120];

const IDENTITY = {
  driver: /** @type {const} */ ('qemu'),
  version: '7.2.22',
  machineType: 'pc-q35-7.2',
  accelerator: /** @type {const} */ ('tcg'),
  acceleratorReason: 'TCG was asked for.',
};

/** @typedef {import('@drover/vmm').Vmm} Vmm */
/** @typedef {import('@drover/vmm').VmmDriver} VmmDriver */
/** @typedef {import('@drover/vmm').DirtyTracker} DirtyTracker */
/** @typedef {import('@drover/native').GuestMemory} GuestMemory */
/** @typedef {import('./scheduler.mjs').Process} Agent */

/** @implements {VmmDriver} */
export class SimulatedDriver {
  name = /** @type {const} */ ('qemu');
  program = 'qemu';
  ramModes = /** @type {const} */ (['external']);
  #world;
  #host;

  /** @param {import('./world.mjs').World} world @param {import('./host.mjs').SimulatedHost} host */
  constructor(world, host) {
    this.#world = world;
    this.#host = host;
  }

  /** @returns {Promise<import('@drover/vmm').DriverProbe>} */
  async probe() {
    return {
      version: IDENTITY.version,
      unusable: null,
      machineTypes: [IDENTITY.machineType],
      accelerators: ['tcg'],
    };
  }

  async deviceStates() {
    return { 'qemu/virtio-blk': [1] };
  }

  specBlockers() {
    return [];
  }

  async check() {}

  async obstacles() {
    return [];
  }

  async checkCpu() {}

  /** @param {import('@drover/vmm').LaunchRequest} request */
  async launch(request) {
    const { scheduler, random } = this.#world;
    const host = this.#host;
    host.disk.makeDirectory(request.directory);
    await scheduler.wait(random.between(0.1, 2));
    const process = host.processes.add((pid) => new VmmProcess(this.#world, host, pid, request));
    scheduler.note(`VMM ${process.pid} starts on ${host.name}, paused`);
    await scheduler.wait(
      random.between(/** @type {number} */ (LAUNCH_MS[0]), /** @type {number} */ (LAUNCH_MS[1])),
    );
    const record = {
      vmmId: request.vmmId,
      instanceId: request.instanceId,
      identity: request.identity ?? IDENTITY,
      directory: request.directory,
      logFile: request.logFile,
      pid: process.pid,
      pidStartTime: '1',
      regions: [{ id: 'ram0', sizeBytes: String(PAGES * 4096), vmmFd: 3 }],
    };
    return new VmmHandle(this.#world, process, record);
  }

  /** @param {import('@drover/vmm').VmmRecord} record */
  async adopt(record) {
    await this.#world.scheduler.wait(1);
    const process = this.#host.processes.get(record.pid);
    if (!process) {
      this.#host.disk.removeTree(record.directory);
      throw failure('vmm-gone', `the process ${record.pid} is gone`);
    }
    return new VmmHandle(this.#world, process, record);
  }
}

/** What one agent holds of a process. @implements {Vmm} */
class VmmHandle {
  regions = [{ id: 'ram0', sizeBytes: BigInt(PAGES * 4096) }];
  record;
  memory;
  consoleSocket;
  /** @type {((timeoutMs: number) => Promise<boolean>) | undefined} */
  loadAhead;
  /** Where the state goes at the next pause. @type {string | null} */
  #stateGoesTo = null;
  #world;
  #process;
  #agent;

  /** @param {import('./world.mjs').World} world @param {VmmProcess} process @param {import('@drover/vmm').VmmRecord} record */
  constructor(world, process, record) {
    this.#world = world;
    this.#process = process;
    this.#agent = /** @type {Agent} */ (world.scheduler.current);
    this.record = record;
    this.memory = new GuestPages(process);
    if (world.loadsAhead) this.loadAhead = (timeoutMs) => this.#loadAhead(timeoutMs);
    this.consoleSocket = `${record.directory}/console.sock`;
  }

  /** Carried out by the process, whoever still waits for the answer. @template T @param {() => T} act @returns {Promise<T>} */
  #command(act) {
    const { scheduler, random } = this.#world;
    const [least = 0, most = 0] = COMMAND_MS;
    return new Promise((resolve, reject) => {
      scheduler.after(random.between(least, most), null, () => {
        let answer = () => reject(failure('vmm-gone', 'the VMM is gone'));
        if (this.#process.alive) {
          const value = act();
          answer = () => resolve(value);
        }
        scheduler.after(random.between(least, most), this.#agent, answer);
      });
    });
  }

  /** @param {(event: import('@drover/vmm').VmmEvent) => void} listener */
  onEvent(listener) {
    return this.#process.listen({ agent: this.#agent, listener });
  }

  /** @returns {Promise<import('@drover/vmm').VmmStatus>} */
  async status() {
    return this.#command(() => {
      if (this.#process.running) return 'running';
      return this.#process.device === null ? 'incomplete' : 'paused';
    }).catch(() => 'gone');
  }

  pause() {
    return this.#command(() => {
      this.#process.pause();
      const socket = this.#stateGoesTo;
      this.#stateGoesTo = null;
      if (socket !== null) this.#save(socket);
    });
  }

  resume() {
    return this.#command(() => this.#process.run());
  }

  async blockers() {
    return [];
  }

  async deviceStates() {
    return { 'qemu/virtio-blk': 1 };
  }

  async cpu() {
    return null;
  }

  tracker() {
    return new Tracker(this.#world, this.#process);
  }

  /** @param {string} socketPath */
  prepareSave(socketPath) {
    return this.#command(() => {
      if (this.#world.savesAtPause) this.#stateGoesTo = socketPath;
    });
  }

  savesAtPause() {
    return this.#world.savesAtPause;
  }

  /** @param {string} socketPath */
  saveState(socketPath) {
    return this.#command(() => {
      if (!this.#world.savesAtPause) this.#save(socketPath);
    });
  }

  /** @param {string} socketPath */
  #save(socketPath) {
    if (this.#process.running) this.#world.rules.violated('R3', 'device state was saved while the guest ran');
    this.#world.stateSockets.get(`${this.#process.host.name} ${socketPath}`)?.(
      /** @type {number} */ (this.#process.device),
    );
  }

  prepareLoad() {
    return this.#command(() => {
      const path = `${this.record.directory}/state.sock`;
      this.#world.stateSockets.set(`${this.#process.host.name} ${path}`, (device) =>
        this.#process.takeState(device),
      );
      return path;
    });
  }

  /**
   * Loads what comes, or keeps it until memory is complete, as some states must be.
   *
   * @param {number} timeoutMs
   * @returns {Promise<boolean>}
   */
  async #loadAhead(timeoutMs) {
    const complete = this.#world.random.chance(0.5);
    await this.#whenStateIsHere(timeoutMs, (device) => {
      if (complete) this.#process.device = device;
      else this.#process.takeState(device);
    });
    return complete;
  }

  /** @param {number} timeoutMs */
  loaded(timeoutMs) {
    return this.#whenStateIsHere(timeoutMs, (device) => {
      this.#process.device = device;
    });
  }

  /** @param {number} timeoutMs @param {(device: number) => void} act @returns {Promise<void>} */
  #whenStateIsHere(timeoutMs, act) {
    const { scheduler, random } = this.#world;
    return new Promise((resolve, reject) => {
      const late = scheduler.after(timeoutMs, this.#agent, () =>
        reject(failure('vmm-timeout', 'no device state came')),
      );
      this.#process.awaitState((device) => {
        scheduler.after(random.between(0.5, 6), null, () => {
          if (!this.#process.alive) return;
          act(device);
          scheduler.cancel(late);
          scheduler.after(0.2, this.#agent, () => resolve(undefined));
        });
      });
    });
  }

  async announce() {}

  async powerDown() {
    await this.#command(() => this.#process.end('the guest powered off'));
    return true;
  }

  async destroy() {
    const { scheduler, rules } = this.#world;
    const process = this.#process;
    if (process.alive) rules.beforeDestroy(process);
    await this.#command(() => process.end('destroyed')).catch(() => {});
    process.host.disk.removeTree(this.record.directory);
    await scheduler.wait(0.2);
  }

  release() {}
}

/** Of the native contract, as far as the agents use it. @implements {GuestMemory} */
export class GuestPages {
  pages = PAGES;

  /** @param {VmmProcess} process */
  constructor(process) {
    this.process = process;
  }

  dataPages() {
    return PAGES;
  }

  /** @returns {Array<[bigint, bigint]>} */
  dataRanges() {
    return [[0n, BigInt(PAGES * 4096)]];
  }

  async digest() {
    this.process.catchUp();
    const digest = createHash('md5').update(this.process.pages.join(' ')).digest('hex');
    return { digest, dataPages: PAGES };
  }

  async populate() {
    return PAGES;
  }

  close() {}
}

/** @implements {DirtyTracker} */
class Tracker {
  name = /** @type {const} */ ('pagemap-scan');
  needsQuiescedRounds;
  #world;
  #process;
  /** @type {Set<number>} */
  #seen = new Set();

  /** @param {import('./world.mjs').World} world @param {VmmProcess} process */
  constructor(world, process) {
    this.#world = world;
    this.#process = process;
    this.needsQuiescedRounds = world.quiesced;
  }

  async start() {
    await this.#world.scheduler.wait(0.5);
    this.#process.catchUp();
    this.#process.trackers.add(this.#seen);
  }

  /** @param {import('./platform/native.mjs').Bitmap} into */
  async collect(into) {
    await this.#world.scheduler.wait(0.3);
    this.#process.catchUp();
    for (const page of this.#seen) into.set.add(page);
    const dirtyPages = this.#seen.size;
    this.#seen.clear();
    return {
      dirtyPages,
      complete: this.#process.alive,
      error: this.#process.alive ? null : 'the VMM is gone',
    };
  }

  stop() {
    this.#process.trackers.delete(this.#seen);
  }
}

/** @param {string} code @param {string} message */
function failure(code, message) {
  return new DroverError(code, { status: 410, retryable: false, summary: '' }, message);
}
