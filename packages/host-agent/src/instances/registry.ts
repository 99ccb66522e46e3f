/** The instances of this host: who is here, under which name. Names are claimed before anything is awaited. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { hostAgentErrors } from '../errors.js';
import { isTemporaryName } from '../storage/atomic-file.js';
import { isSystemError } from '../storage/state-directory.js';
import { decodeInstance, type StoredInstance } from './document.js';
import { Instance } from './instance.js';

export class InstanceRegistry {
  readonly #directory: string;
  readonly #logger: Logger;
  readonly #onPublished: (vmmId: string) => void;
  readonly #byId = new Map<string, Instance>();

  /** `onPublished`: as an {@link Instance} takes it. */
  constructor(directory: string, logger: Logger, onPublished: (vmmId: string) => void = () => undefined) {
    this.#directory = directory;
    this.#logger = logger;
    this.#onPublished = onPublished;
  }

  /** Reads what earlier agents left. Errors: `instance-record-damaged`. */
  async load(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      const directory = join(this.#directory, name);
      const path = join(directory, 'instance.json');
      let text: string;
      try {
        text = await readFile(path, 'utf8');
      } catch (thrown) {
        if (!isSystemError(thrown) || thrown.code !== 'ENOENT') throw thrown;
        // A crash between the directory and its first record: nothing ever ran from it.
        this.#logger.warn({ directory }, 'removed an instance directory without a record');
        await rm(directory, { recursive: true, force: true });
        continue;
      }
      for (const leftover of (await readdir(directory)).filter(isTemporaryName)) {
        await rm(join(directory, leftover), { force: true });
      }
      const stored = decodeInstance(text, path);
      this.#byId.set(stored.id, new Instance(stored, directory, this.#logger, this.#onPublished));
    }
  }

  list(): Instance[] {
    return [...this.#byId.values()].toSorted((a, b) => a.name.localeCompare(b.name));
  }

  get(id: string): Instance | undefined {
    return this.#byId.get(id);
  }

  /** The instance that has this VMM now. */
  withVmm(vmmId: string): Instance | undefined {
    return [...this.#byId.values()].find(({ published }) => published.vmmId === vmmId);
  }

  /** By id or name. Errors: `instance-not-found`. */
  find(reference: string): Instance {
    const found =
      this.#byId.get(reference) ?? [...this.#byId.values()].find(({ name }) => name === reference);
    if (found) return found;
    throw hostAgentErrors.error(
      'instance-not-found',
      `There is no instance ${JSON.stringify(reference.slice(0, 80))} on this host; list the instances, or ask another host.`,
    );
  }

  /** Errors: `instance-already-here`, `instance-name-taken`. */
  refuseTaken(id: string, name: string): void {
    const here = this.#byId.get(id);
    if (here) {
      throw hostAgentErrors.error(
        'instance-already-here',
        `Instance ${id} is on this host already (${here.snapshot.life}); delete it first, or use another id.`,
      );
    }
    const holder = this.list().find((instance) => instance.name === name);
    if (holder) {
      throw hostAgentErrors.error(
        'instance-name-taken',
        `Instance ${holder.id} on this host has the name ${name}; choose another name, or delete that instance.`,
      );
    }
  }

  /** Claims id and name. Nothing is on disk yet. Errors: those of {@link refuseTaken}. */
  add(stored: StoredInstance): Instance {
    this.refuseTaken(stored.id, stored.spec.name);
    const instance = new Instance(stored, join(this.#directory, stored.id), this.#logger, this.#onPublished);
    this.#byId.set(stored.id, instance);
    return instance;
  }

  /** Forgets an instance; its files are the caller's. */
  forget(instance: Instance): void {
    if (this.#byId.get(instance.id) === instance) this.#byId.delete(instance.id);
  }
}
