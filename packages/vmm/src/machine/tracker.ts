/** The dirty tracker of a machine: the hypervisor's own log, collected by the machine's process into memory that both share. */
import { closeSync, openSync } from 'node:fs';
import { type DirtyBitmap, type GuestMemory, native } from '@drover/native';
import type { DirtyTracker } from '../driver.js';
import type { MachineClient } from './client.js';

type Collected = Awaited<ReturnType<DirtyTracker['collect']>>;

export interface MachineTrackerOptions {
  readonly name: 'kvm-dirty-log' | 'kvm-dirty-ring';
  readonly client: MachineClient;
  readonly memory: GuestMemory;
  readonly pid: number;
}

export class MachineTracker implements DirtyTracker {
  readonly name: 'kvm-dirty-log' | 'kvm-dirty-ring';
  /** The hypervisor sees every write, whoever makes it for the guest. */
  readonly needsQuiescedRounds = false;
  readonly #client: MachineClient;
  readonly #memory: GuestMemory;
  readonly #pid: number;
  #shared: DirtyBitmap | null = null;
  /** What the machine collected when the guest stood still; null once it runs, or was asked for. */
  #atStandstill: Collected | null = null;

  constructor({ name, client, memory, pid }: MachineTrackerOptions) {
    this.name = name;
    this.#client = client;
    this.#memory = memory;
    this.#pid = pid;
  }

  async start(): Promise<void> {
    const { bitmapFd } = await this.#client.request('startTracking', {});
    const fd = openSync(`/proc/${this.#pid}/fd/${bitmapFd}`, 'r+');
    try {
      this.#shared = native().openSharedBitmap(this.#memory, fd);
    } finally {
      closeSync(fd);
    }
  }

  /** The guest stands still, and the machine has collected into the shared memory: no need to ask for the next collection. */
  standsStill(collected: Collected | null): void {
    this.#atStandstill = collected;
  }

  /** The guest may write again, so that only a new collection knows everything (R5). */
  goesOn(): void {
    this.#atStandstill = null;
  }

  async collect(into: DirtyBitmap): Promise<Collected> {
    try {
      if (this.#shared === null) throw new Error('the tracker was not started');
      const collected = this.#atStandstill ?? (await this.#client.request('collect', {}));
      this.#atStandstill = null;
      into.merge(this.#shared);
      this.#shared.clear();
      return collected;
    } catch (error) {
      // What cannot be known is dirty (R5).
      into.setAll();
      const why = error instanceof Error ? error.message : String(error);
      return { dirtyPages: into.pages, complete: false, error: why };
    }
  }

  stop(): void {
    this.#shared = null;
    this.#atStandstill = null;
    this.#client.request('stopTracking', {}).catch(() => {
      // A machine that is gone tracks nothing.
    });
  }
}
