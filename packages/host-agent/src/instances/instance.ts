/**
 * One instance on this host: its spec, its present snapshot, and its VMM where there is one.
 *
 * A snapshot is never changed. {@link Instance.publish} replaces it by one with the next generation and writes that to disk;
 * generations reach the disk in order, and are shown only then: what was shown once is never taken back (R10).
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceView } from '@drover/protocol';
import type { InstanceSpec } from '@drover/types';
import type { Vmm, VmmEvent } from '@drover/vmm';
import type { Logger } from 'pino';
import { hostAgentErrors } from '../errors.js';
import { writeFileAtomic } from '../storage/atomic-file.js';
import { encodeInstance, type InstanceSnapshot, type StoredInstance } from './document.js';

/** What is being done to an instance; one at a time. */
export type Operation = 'create' | 'start' | 'stop' | 'delete' | 'migrate' | 'end' | 'adopt';

export class Instance {
  readonly id: string;
  readonly spec: InstanceSpec;
  /** `instances/<id>` in the state directory. */
  readonly directory: string;
  readonly logger: Logger;
  #snapshot: InstanceSnapshot;
  /** The newest snapshot that is on disk. */
  #published: InstanceSnapshot;
  #vmm: Vmm | null = null;
  #detach: (() => void) | null = null;
  #operation: Operation | null = null;
  #writes: Promise<void> = Promise.resolve();
  readonly #onPublished: (vmmId: string) => void;

  /** `onPublished` hears of each snapshot that {@link view} has begun to show; it must return at once and not throw. */
  constructor(
    stored: StoredInstance,
    directory: string,
    logger: Logger,
    onPublished: (vmmId: string) => void = () => undefined,
  ) {
    this.id = stored.id;
    this.spec = stored.spec;
    this.directory = directory;
    this.logger = logger.child({ instance: stored.id, name: stored.spec.name });
    this.#snapshot = stored.snapshot;
    this.#published = stored.snapshot;
    this.#onPublished = onPublished;
  }

  get name(): string {
    return this.spec.name;
  }

  /** As it is for this agent, on disk or not yet. */
  get snapshot(): InstanceSnapshot {
    return this.#snapshot;
  }

  /** As it is on disk, and so as others may see it. */
  get published(): InstanceSnapshot {
    return this.#published;
  }

  get vmm(): Vmm | null {
    return this.#vmm;
  }

  get operation(): Operation | null {
    return this.#operation;
  }

  get logFile(): string {
    return join(this.directory, 'serial.log');
  }

  /**
   * Claims the instance for one operation until the returned function is called. Operations do not queue: who comes second
   * is told so. Errors: `instance-busy`, `instance-in-doubt`.
   */
  begin(operation: Operation): () => void {
    this.refuseWhenHeld(operation);
    this.#operation = operation;
    let released = false;
    return () => {
      // A second call must not release whoever came next.
      if (!released) this.#operation = null;
      released = true;
    };
  }

  /** Errors: those of {@link begin}, of which nothing else is done. */
  refuseWhenHeld(operation: Operation): void {
    if (this.#snapshot.life === 'in-doubt') {
      throw hostAgentErrors.error(
        'instance-in-doubt',
        `Instance ${this.name} was handed over and the destination has not said what became of it; bring the destination's agent back, and this is settled by itself.`,
      );
    }
    const { migration } = this.#snapshot;
    if (migration !== null && operation !== 'migrate') {
      throw hostAgentErrors.error(
        'instance-busy',
        `Instance ${this.name} is part of migration ${migration.id}; cancel that or wait for its end.`,
      );
    }
    if (this.#operation !== null) {
      throw hostAgentErrors.error(
        'instance-busy',
        `Instance ${this.name} is busy (${this.#operation}); try again when that has ended.`,
      );
    }
  }

  /** Replaces the snapshot at once; resolves when it is on disk and {@link view} shows it. */
  publish(change: Partial<Omit<InstanceSnapshot, 'generation'>>): Promise<void> {
    const snapshot = Object.freeze({
      ...this.#snapshot,
      ...change,
      generation: this.#snapshot.generation + 1n,
    });
    this.#snapshot = snapshot;
    const text = encodeInstance(this);
    const written = this.#writes.then(async () => {
      await writeFileAtomic(join(this.directory, 'instance.json'), text);
      this.#published = snapshot;
      this.#onPublished(snapshot.vmmId);
    });
    this.#writes = written.catch(() => undefined);
    return written;
  }

  /** Takes a VMM in; `listener` hears what happens to it by itself. */
  attach(vmm: Vmm, listener: (event: VmmEvent, vmm: Vmm) => void): void {
    this.detach();
    this.#vmm = vmm;
    this.#detach = vmm.onEvent((event) => listener(event, vmm));
  }

  /** Lets the VMM go from this object without touching it. */
  detach(): Vmm | null {
    const vmm = this.#vmm;
    this.#detach?.();
    this.#detach = null;
    this.#vmm = null;
    return vmm;
  }

  /** Removes the instance's directory, after every write under way. */
  async removeFiles(): Promise<void> {
    await this.#writes;
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Waits for every write under way. */
  flushed(): Promise<void> {
    return this.#writes;
  }

  view(): InstanceView {
    const { vmmId, epoch, generation, life, error, identity, record } = this.#published;
    return {
      id: this.id,
      name: this.name,
      spec: this.spec,
      state: {
        vmmId,
        instanceId: this.id,
        generation: String(generation),
        epoch: String(epoch),
        life,
        driver: this.spec.vmm,
        ramMode: 'external',
        accelerator: identity?.accelerator ?? null,
        acceleratorReason: identity?.acceleratorReason ?? null,
        machineType: identity?.machineType ?? null,
        vmmVersion: identity?.version ?? null,
        pid: record?.pid ?? null,
        error,
      },
      consoleSocket: this.#vmm?.consoleSocket ?? null,
      logFile: this.logFile,
    };
  }
}
