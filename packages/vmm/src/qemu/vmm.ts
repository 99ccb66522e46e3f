/** One QEMU as the agents see it. */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestMemory } from '@drover/native';
import { isGuestShutdown } from '@drover/protocol';
import type { InstanceSpec } from '@drover/types';
import type { Logger } from 'pino';
import type { Blocker, DirtyTracker, Vmm, VmmEvent, VmmRecord, VmmStatus } from '../driver.js';
import { vmmErrors } from '../errors.js';
import type { VmmProcess } from '../process/vmm-process.js';
import { type QmpClient, QmpErrorReply } from '../qmp/client.js';
import { queryRunState } from '../qmp/commands.js';
import { hasDirectIo, qemuBlockers, specBlockers, stateBlockers, trackingBlockers } from './blockers.js';
import { writtenDeviceStates } from './device-states.js';
import { GuestEvents } from './guest-events.js';
import { populateHeap } from './heap.js';
import type { ConnectedQemu } from './launch.js';
import { StateLoad } from './load.js';
import type { VmmPaths } from './paths.js';
import { statusOf } from './run-state.js';
import { prepareSave, saveSettled, saveState } from './save.js';
import type { StateDescriptionCache, StateDescriptions } from './state-descriptions.js';
import { QemuTracker } from './tracker.js';
import type { QemuTuning } from './tuning.js';

/** For a moment after a save completed QEMU refuses `cont`; how often it is tried again, ms. */
const RESUME_RETRY_MS = 1;
/**
 * How long after its last command QEMU may still give free heap back to the kernel (malloc_trim in its RCU thread), with some to spare, ms.
 */
const HEAP_SETTLES_MS = 250;

export interface QemuVmmOptions {
  readonly qemu: ConnectedQemu;
  readonly spec: InstanceSpec;
  readonly tuning: QemuTuning;
  readonly states: StateDescriptionCache;
  readonly logger: Logger;
}

export class QemuVmm implements Vmm {
  readonly record: VmmRecord;
  readonly memory: GuestMemory;
  readonly consoleSocket: string;
  readonly regions: readonly { readonly id: string; readonly sizeBytes: bigint }[];
  readonly #spec: InstanceSpec;
  readonly #qmp: QmpClient;
  readonly #process: VmmProcess;
  readonly #paths: VmmPaths;
  readonly #tuning: QemuTuning;
  readonly #states: StateDescriptionCache;
  readonly #logger: Logger;
  readonly #events: GuestEvents;
  /** As QEMU's own events tell it; they come before the answer to the command that caused them. */
  #running: boolean;
  /** False until an incoming VMM has its device state. */
  #loaded: boolean;
  #load: StateLoad | null = null;
  #warming: NodeJS.Timeout | undefined;
  /** The end of the last save, which only the next one waits for: the switchover does not. */
  #settled: Promise<void> = Promise.resolve();
  #destroyed: Promise<void> | null = null;
  #released = false;

  constructor({ qemu, spec, tuning, states, logger }: QemuVmmOptions) {
    this.record = qemu.record;
    this.memory = qemu.memory;
    this.consoleSocket = qemu.paths.console;
    this.regions = qemu.record.regions.map(({ id, sizeBytes }) => ({ id, sizeBytes: BigInt(sizeBytes) }));
    this.#spec = spec;
    this.#qmp = qemu.qmp;
    this.#process = qemu.process;
    this.#paths = qemu.paths;
    this.#tuning = tuning;
    this.#states = states;
    this.#logger = logger.child({ instanceId: qemu.record.instanceId, vmmId: qemu.record.vmmId });
    this.#running = statusOf(qemu.runState) === 'running';
    this.#loaded = qemu.runState !== 'inmigrate';
    if (qemu.runState === 'finish-migrate') this.#settle();
    this.#events = new GuestEvents(qemu.qmp, qemu.process, qemu.paths);
    qemu.qmp.onEvent(({ name }) => {
      if (name === 'RESUME') this.#running = true;
      if (name === 'STOP') this.#running = false;
    });
  }

  onEvent(listener: (event: VmmEvent) => void): () => void {
    return this.#events.listen(listener);
  }

  isGone(): boolean {
    return this.#process.hasEnded();
  }

  async status(): Promise<VmmStatus> {
    if (!this.#process.alive()) return 'gone';
    if (this.#qmp.ended) return 'failed';
    return statusOf(await queryRunState(this.#qmp));
  }

  /** @throws `vmm-not-pausable`, `qmp-timeout`, `qmp-closed` */
  async pause(): Promise<void> {
    await this.#timed('pause', async () => {
      const wasRunning = this.#running;
      const wait = { timeoutMs: this.#tuning.pauseTimeoutMs };
      // Both are sent at once: the second answer costs no round trip.
      const stopped = this.#qmp.execute('stop', undefined, wait);
      const state = queryRunState(this.#qmp, wait);
      state.catch(() => {});
      try {
        await stopped;
      } catch (error) {
        // QEMU may still execute the stop; a cont behind it keeps the promise that a failed pause changes nothing. Monitor
        // commands run in order, so no later pause can be overtaken by it.
        if (wasRunning && !this.#qmp.ended) this.#qmp.execute('cont').catch(() => {});
        throw error;
      }
      const runState = await state;
      if (statusOf(runState) === 'paused') return;
      throw vmmErrors.error(
        'vmm-not-pausable',
        `Instance "${this.#spec.name}" cannot be paused: its guest is in the state ${runState}.`,
      );
    });
  }

  /** @throws `qemu-not-loaded`, `qmp-command-failed`, `qmp-timeout` (then the guest may run), `qmp-closed` */
  async resume(): Promise<void> {
    // In that state QEMU would take `cont` as leave to run by itself as soon as it has loaded (R1).
    if (!this.#loaded) {
      throw vmmErrors.error(
        'qemu-not-loaded',
        `Instance "${this.#spec.name}" cannot run here: its device state has not been loaded.`,
      );
    }
    await this.#timed('resume', async () => {
      const deadline = performance.now() + this.#tuning.commandTimeoutMs;
      for (;;) {
        try {
          await this.#qmp.execute('cont');
          return;
        } catch (error) {
          if (!isNotFinal(error) || performance.now() >= deadline) throw error;
          await sleep(RESUME_RETRY_MS);
        }
      }
    });
  }

  async blockers(): Promise<readonly Blocker[]> {
    return [
      ...specBlockers(this.#spec, this.#tuning),
      ...(await stateBlockers(this.#spec, this.#describedStates())),
      ...(await qemuBlockers(this.#qmp)),
      ...trackingBlockers(),
    ];
  }

  /** @throws `device-states-unknown` */
  async deviceStates(): Promise<Readonly<Record<string, number>>> {
    return writtenDeviceStates(this.#spec, this.record.identity, await this.#describedStates());
  }

  /** QEMU does not tell: its machine type and the spec's CPU model stand for it. */
  async cpu(): Promise<null> {
    return null;
  }

  tracker(): DirtyTracker {
    return new QemuTracker({
      memory: this.memory,
      pid: this.record.pid,
      shimSocket: this.#paths.shim,
      timeoutMs: this.#tuning.trackerTimeoutMs,
      needsQuiescedRounds: this.#tuning.quiescedRounds && hasDirectIo(this.#spec),
    });
  }

  /** QEMU connects to the socket when it saves: it can do so at no other time. */
  async prepareSave(_socketPath: string): Promise<void> {
    await prepareSave(this.#qmp, this.#tuning);
  }

  /** @throws `vmm-running`, `qemu-save-failed`, `qemu-save-cancelled`, `qmp-timeout`, `qmp-closed` */
  async saveState(socketPath: string, signal: AbortSignal): Promise<void> {
    // Of a running guest QEMU would write a state that runs by itself as soon as it is loaded (R1).
    if (this.#running) {
      throw vmmErrors.error('vmm-running', `Instance "${this.#spec.name}" must be paused to save its state.`);
    }
    await this.#settled;
    await this.#timed('save', async () => {
      try {
        await saveState(this.#qmp, socketPath, signal, this.#tuning);
      } finally {
        this.#settle();
      }
    });
  }

  /** @throws `qemu-not-loaded` where this VMM is not incoming, `qemu-load-failed` */
  async prepareLoad(): Promise<string> {
    if (this.#loaded) {
      throw vmmErrors.error(
        'qemu-not-loaded',
        `Instance "${this.#spec.name}" does not wait for device state here.`,
      );
    }
    if (this.#load === null) {
      this.#load = await StateLoad.listen(this.#qmp, this.#paths.state);
      this.#warming = setTimeout(() => populateHeap(this.#paths.shim), HEAP_SETTLES_MS);
    }
    return this.#paths.state;
  }

  /** @throws `qemu-load-failed`, `qemu-not-loaded` before {@link prepareLoad} */
  async loaded(timeoutMs: number): Promise<void> {
    const load = this.#load;
    if (load === null) {
      throw vmmErrors.error('qemu-not-loaded', `Instance "${this.#spec.name}" was not made ready to load.`);
    }
    await this.#timed('load', async () => {
      await load.loaded(timeoutMs);
      // A QEMU that ran the guest by itself said RESUME before it said "completed", so it need not be asked: that would be
      // part of the downtime.
      if (this.#running) {
        throw vmmErrors.error(
          'qemu-load-failed',
          `QEMU loaded the device state of instance "${this.#spec.name}" and runs the guest instead of keeping it paused.`,
        );
      }
      this.#loaded = true;
    });
  }

  async announce(): Promise<void> {
    const hasNic = Object.values(this.#spec.components).some(({ kind }) => kind === 'virtio-nic');
    if (!hasNic) return;
    // QEMU's defaults for a migration: five rounds, 50 ms to 550 ms apart.
    await this.#qmp.execute('announce-self', { initial: 50, max: 550, rounds: 5, step: 100 });
  }

  async powerDown(graceMs: number): Promise<boolean> {
    const stop = new AbortController();
    const off = this.#qmp.next('power-off', (event) => (isGuestShutdown(event) ? true : undefined), {
      timeoutMs: graceMs,
      signal: stop.signal,
    });
    off.catch(() => {});
    try {
      if ((await this.status()) === 'guest-stopped') return true;
      await this.#qmp.execute('system_powerdown');
      return await off.catch(() => false);
    } finally {
      stop.abort();
    }
  }

  /** @throws `vmm-cannot-end`; may then be called again */
  destroy(): Promise<void> {
    this.#destroyed ??= this.#end().catch((error: unknown) => {
      this.#destroyed = null;
      throw error;
    });
    return this.#destroyed;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#events.close();
    clearTimeout(this.#warming);
    this.#load?.close();
    this.#qmp.close();
    this.memory.close();
  }

  /** Of the build that the process runs: the one on disk may have been upgraded since. */
  #describedStates(): Promise<StateDescriptions> {
    return this.#states.of(`/proc/${this.record.pid}/exe`);
  }

  #settle(): void {
    this.#settled = saveSettled(this.#qmp);
    this.#settled.catch(() => {});
  }

  async #end(): Promise<void> {
    const { quitTimeoutMs, killTimeoutMs } = this.#tuning;
    this.#events.close();
    this.#process.stepAside();
    if (!(await this.#quit(quitTimeoutMs))) this.#process.kill();
    if (!(await this.#process.ended(killTimeoutMs))) {
      throw vmmErrors.error(
        'vmm-cannot-end',
        `QEMU (process ${this.record.pid}) of instance "${this.#spec.name}" did not end within ${killTimeoutMs} ms of being killed. Look at its disks and mounts.`,
      );
    }
    this.release();
    await rm(this.record.directory, { recursive: true, force: true });
  }

  /** Lets QEMU close its disk images itself; false when it does not end that way. */
  async #quit(timeoutMs: number): Promise<boolean> {
    if (this.#qmp.ended) return false;
    const deadline = performance.now() + timeoutMs;
    try {
      await this.#qmp.execute('quit', undefined, { timeoutMs });
    } catch {
      // The connection may end before the answer is read.
      if (!this.#qmp.ended) return false;
    }
    return this.#process.ended(Math.max(0, deadline - performance.now()));
  }

  async #timed(step: string, work: () => Promise<void>): Promise<void> {
    const start = performance.now();
    await work();
    this.#logger.debug({ step, ms: performance.now() - start }, 'vmm step');
  }
}

/** QEMU's answer to `cont` between the end of a save's stream and its own coming to rest. */
function isNotFinal(error: unknown): boolean {
  return (
    error instanceof Error &&
    error.cause instanceof QmpErrorReply &&
    /not finalized/.test(error.cause.message)
  );
}
