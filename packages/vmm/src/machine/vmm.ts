/** One machine as the agents see it. */
import { rm } from 'node:fs/promises';
import type { GuestMemory } from '@drover/native';
import type { CpuDefinition, MachineAnswer, MachineEnding } from '@drover/protocol';
import type { InstanceSpec } from '@drover/types';
import type { Logger } from 'pino';
import type { Blocker, DirtyTracker, Vmm, VmmEvent, VmmRecord, VmmStatus } from '../driver.js';
import { vmmErrors } from '../errors.js';
import type { VmmProcess } from '../process/vmm-process.js';
import type { MachineClient } from './client.js';
import { lastWords, reason, refusalCode } from './connection.js';
import type { ConnectedMachine } from './launch.js';
import type { MachinePaths } from './paths.js';
import { MachineTracker } from './tracker.js';
import type { MachineTuning } from './tuning.js';

/** After its connection closed, how long the process may take to end before that counts as a failure of its own, ms. */
const END_TIMEOUT_MS = 10_000;
/** How much longer than the machine itself an agent waits for what the machine has a deadline for, ms. */
const SPARE_MS = 1_000;
/** Requests after which the code around them is as fast as it gets in so few. */
const REHEARSALS = 30;

export interface MachineVmmOptions {
  readonly machine: ConnectedMachine;
  readonly spec: InstanceSpec;
  readonly tuning: MachineTuning;
  readonly logger: Logger;
}

export class MachineVmm implements Vmm {
  readonly record: VmmRecord;
  readonly memory: GuestMemory;
  readonly consoleSocket: string;
  readonly regions: readonly { readonly id: string; readonly sizeBytes: bigint }[];
  readonly #spec: InstanceSpec;
  readonly #client: MachineClient;
  readonly #process: VmmProcess;
  readonly #paths: MachinePaths;
  readonly #trackerName: MachineTuning['tracker'];
  readonly #tuning: MachineTuning;
  readonly #logger: Logger;
  readonly #listeners = new Set<(event: VmmEvent) => void>();
  #destroyed: Promise<void> | null = null;
  /** The one whose collections go to the machine's shared bitmap. */
  #tracker: MachineTracker | null = null;
  #released = false;
  /** The machine is connected to where its state goes. */
  #connectedToState = false;

  constructor({ machine, spec, tuning, logger }: MachineVmmOptions) {
    this.record = machine.record;
    this.memory = machine.memory;
    this.consoleSocket = machine.paths.console;
    this.regions = machine.record.regions.map(({ id, sizeBytes }) => ({ id, sizeBytes: BigInt(sizeBytes) }));
    this.#spec = spec;
    this.#client = machine.client;
    this.#process = machine.process;
    this.#paths = machine.paths;
    this.#trackerName = machine.tracker;
    this.#tuning = tuning;
    this.#logger = logger.child({ instanceId: machine.record.instanceId, vmmId: machine.record.vmmId });
    machine.client.onEnding((ending) => this.#emit(eventOf(ending)));
    machine.client.onEnd(() => void this.#lookWhyItClosed());
  }

  onEvent(listener: (event: VmmEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  isGone(): boolean {
    return this.#process.hasEnded();
  }

  async status(): Promise<VmmStatus> {
    if (!this.#process.alive()) return 'gone';
    if (this.#client.ended) return 'failed';
    return statusOf(await this.#client.request('status', {}));
  }

  /** @throws `vmm-not-pausable`, `machine-refused`, `machine-timeout`, `machine-closed` */
  async pause(): Promise<void> {
    const { pauseTimeoutMs, saveTimeoutMs } = this.#tuning;
    await this.#timed('pause', async () => {
      const wait = { timeoutMs: pauseTimeoutMs + SPARE_MS };
      const { state, collected } = this.#client.knows('standStill')
        ? await this.#client.request('standStill', { timeoutMs: pauseTimeoutMs, saveTimeoutMs }, wait)
        : { ...(await this.#client.request('pause', { timeoutMs: pauseTimeoutMs }, wait)), collected: null };
      this.#tracker?.standsStill(collected);
      if (state === 'paused') return;
      throw vmmErrors.error(
        'vmm-not-pausable',
        `Instance "${this.#spec.name}" cannot be paused: its guest has ended.`,
      );
    });
  }

  /** @throws `machine-not-loaded`, `machine-refused`, `machine-timeout` (then the guest may run), `machine-closed` */
  async resume(): Promise<void> {
    this.#tracker?.goesOn();
    await this.#timed('resume', async () => {
      try {
        await this.#client.request('resume', {});
      } catch (error) {
        if (refusalCode(error) !== 'not-loaded') throw error;
        throw vmmErrors.error(
          'machine-not-loaded',
          `Instance "${this.#spec.name}" cannot run here: its device state has not been loaded.`,
          error,
        );
      }
    });
  }

  /** All of a machine can be moved; what could not be is refused before there is one. */
  async blockers(): Promise<readonly Blocker[]> {
    return [];
  }

  async deviceStates(): Promise<Readonly<Record<string, number>>> {
    return this.#client.deviceStates;
  }

  async cpu(): Promise<CpuDefinition | null> {
    if (!this.#client.knows('describeCpu')) return null;
    return this.#client.request('describeCpu', {});
  }

  tracker(): DirtyTracker {
    this.#tracker = new MachineTracker({
      name: this.#trackerName,
      client: this.#client,
      memory: this.memory,
      pid: this.record.pid,
    });
    return this.#tracker;
  }

  /** @throws `machine-refused`, `machine-timeout`, `machine-closed` */
  async prepareSave(socketPath: string): Promise<void> {
    const timeoutMs = this.#tuning.requestTimeoutMs;
    await this.#client.request('prepareSave', {});
    await this.#rehearse();
    if (!this.#client.knows('connectState')) return;
    await this.#client.request(
      'connectState',
      { socket: socketPath, timeoutMs },
      { timeoutMs: timeoutMs + SPARE_MS },
    );
    this.#connectedToState = true;
  }

  savesAtPause(): boolean {
    return this.#connectedToState;
  }

  /** @throws `machine-save-failed`, `machine-cancelled`, `machine-timeout`, `machine-closed` */
  async saveState(socketPath: string, signal: AbortSignal): Promise<void> {
    const { saveTimeoutMs } = this.#tuning;
    await this.#timed('save', async () => {
      try {
        await this.#client.request(
          'saveState',
          { socket: socketPath, timeoutMs: saveTimeoutMs },
          { timeoutMs: saveTimeoutMs + SPARE_MS, signal },
        );
      } catch (error) {
        if (refusalCode(error) === null) throw error;
        throw vmmErrors.error(
          'machine-save-failed',
          `The state of instance "${this.#spec.name}" could not be saved: ${reason(error)}`,
          error,
        );
      }
    });
  }

  /** @throws `machine-not-loaded` where this VMM has a state or waits for one, `machine-timeout`, `machine-closed` */
  async prepareLoad(): Promise<string> {
    try {
      await this.#client.request('awaitState', { socket: this.#paths.state, clock: this.#spec.clock });
      await this.#rehearse();
      return this.#paths.state;
    } catch (error) {
      if (refusalCode(error) === null) throw error;
      throw vmmErrors.error(
        'machine-not-loaded',
        `Instance "${this.#spec.name}" does not wait for device state here: ${reason(error)}`,
        error,
      );
    }
  }

  hurry(): void {
    if (this.#client.knows('hurry')) this.#client.request('hurry', {}).catch(() => {});
  }

  /** @throws as {@link loaded} */
  async loadAhead(timeoutMs: number): Promise<boolean> {
    if (!this.#client.knows('loadAhead')) return false;
    try {
      return (await this.#client.request('loadAhead', {}, { timeoutMs })).complete;
    } catch (error) {
      throw this.#notLoaded(error);
    }
  }

  /** @throws `machine-load-failed`, `machine-not-loaded` before {@link prepareLoad} */
  async loaded(timeoutMs: number): Promise<void> {
    await this.#timed('load', async () => {
      try {
        await this.#client.request('stateLoaded', {}, { timeoutMs });
      } catch (error) {
        throw this.#notLoaded(error);
      }
    });
  }

  #notLoaded(error: unknown): Error {
    return vmmErrors.error(
      refusalCode(error) === 'not-awaiting' ? 'machine-not-loaded' : 'machine-load-failed',
      `The state of instance "${this.#spec.name}" was not loaded here: ${reason(error)}`,
      error,
    );
  }

  /**
   * Asks what costs nothing, again and again: the machine is about to be asked things once each while its guest stands still, and code that runs for
   * the first time takes several times as long.
   */
  async #rehearse(): Promise<void> {
    for (let turn = 0; turn < REHEARSALS; turn++) await this.#client.request('status', {});
  }

  /** It has no network. */
  async announce(): Promise<void> {}

  /** A machine has no power button: false unless the guest ended before. */
  async powerDown(): Promise<boolean> {
    return (await this.status()) === 'guest-stopped';
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
    this.#listeners.clear();
    this.#client.close();
    this.memory.close();
  }

  /** It has no disks to close, so that killing it takes nothing from the guest. */
  async #end(): Promise<void> {
    const { killTimeoutMs } = this.#tuning;
    this.#listeners.clear();
    this.#process.stepAside();
    this.#process.kill();
    if (!(await this.#process.ended(killTimeoutMs))) {
      throw vmmErrors.error(
        'vmm-cannot-end',
        `The machine (process ${this.record.pid}) of instance "${this.#spec.name}" did not end within ${killTimeoutMs} ms of being killed. See the kernel's log.`,
      );
    }
    this.release();
    await rm(this.record.directory, { recursive: true, force: true });
  }

  async #lookWhyItClosed(): Promise<void> {
    const ended = await this.#process.ended(END_TIMEOUT_MS);
    const said = lastWords(this.#paths);
    const last = said === '' ? '' : ` Its last words: ${said}`;
    const machine = `The machine (process ${this.record.pid})`;
    this.#emit(
      ended
        ? { kind: 'exited', message: `${machine} ${this.#process.endPhrase()}.${last}` }
        : { kind: 'failed', message: `${machine} closed its connection and still runs.${last}` },
    );
  }

  #emit(event: VmmEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  async #timed(step: string, work: () => Promise<void>): Promise<void> {
    const start = performance.now();
    await work();
    this.#logger.debug({ step, ms: performance.now() - start }, 'vmm step');
  }
}

function statusOf({ state, ending }: MachineAnswer<'status'>): VmmStatus {
  if (state === 'running') return 'running';
  if (state === 'empty' || state === 'made') return 'incomplete';
  if (state !== 'ended') return 'paused';
  return ending?.kind === 'debug-exit' ? 'guest-stopped' : 'failed';
}

/** A write to the debug-exit port is how a guest without a power button powers itself off. */
function eventOf({ kind, value, message, registers }: MachineEnding): VmmEvent {
  if (kind === 'debug-exit') return { kind: 'guest-shutdown', message: `The guest ended with ${value}.` };
  return { kind: 'failed', message: `${message}${registers === '' ? '' : ` (${registers})`}` };
}
