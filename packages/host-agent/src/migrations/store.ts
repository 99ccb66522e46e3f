/** Every migration that this host took part in. All are on disk for good; the newest are kept in memory. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { MigrationView } from '@drover/protocol';
import type { Logger } from 'pino';
import { hostAgentErrors } from '../errors.js';
import { isTemporaryName } from '../storage/atomic-file.js';
import { decodeMigration, type StoredMigration } from './document.js';
import { Migration, type OwnershipOf } from './migration.js';

/** Ended migrations that are listed; older ones are found by id. */
const LISTED = 500;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class MigrationStore {
  readonly directory: string;
  readonly #logger: Logger;
  readonly #ownership: OwnershipOf;
  readonly #onEnded: (view: MigrationView) => void;
  readonly #byId = new Map<string, Migration>();

  /** `onEnded` hears of each migration that ends from now on. */
  constructor(
    directory: string,
    logger: Logger,
    ownership: OwnershipOf = () => null,
    onEnded: (view: MigrationView) => void = () => undefined,
  ) {
    this.#onEnded = onEnded;
    this.directory = directory;
    this.#logger = logger;
    this.#ownership = ownership;
  }

  /** Reads what earlier agents left; a file that cannot be read is logged and left as it is. */
  async load(): Promise<void> {
    const found: StoredMigration[] = [];
    for (const name of await readdir(this.directory)) {
      const path = join(this.directory, name);
      if (isTemporaryName(name)) await rm(path, { force: true });
      else if (UUID.test(name.replace(/\.json$/, ''))) {
        const stored = await this.#read(path);
        if (stored) found.push(stored);
      }
    }
    found.sort((a, b) => a.view.startedAt.localeCompare(b.view.startedAt));
    const ended = found.filter(({ view }) => view.endedAt !== null);
    const forgotten = new Set(ended.slice(0, Math.max(0, ended.length - LISTED)));
    for (const stored of found) {
      if (!forgotten.has(stored)) this.#byId.set(stored.view.id, this.#migration(stored));
    }
  }

  /** Newest first. */
  list(): MigrationView[] {
    return [...this.#byId.values()].map(({ view }) => view).toReversed();
  }

  get(id: string): Migration | undefined {
    return this.#byId.get(id);
  }

  /** One of any age; null where there never was one. */
  async known(id: string): Promise<Migration | null> {
    const listed = this.#byId.get(id);
    if (listed) return listed;
    const stored = UUID.test(id) ? await this.#read(join(this.directory, `${id}.json`)) : null;
    return stored && this.#migration(stored);
  }

  /** Errors: `migration-not-found`. */
  async find(id: string): Promise<Migration> {
    const known = await this.known(id);
    if (known) return known;
    throw hostAgentErrors.error(
      'migration-not-found',
      `This agent took part in no migration ${JSON.stringify(id.slice(0, 80))}; list the migrations to see their ids.`,
    );
  }

  /** Begins the record of a migration; it is on disk when this resolves. `request`: as in {@link StoredMigration}. */
  async add(view: MigrationView, request: string | null = null): Promise<Migration> {
    const migration = this.addUnsaved(view, request);
    await migration.persist();
    return migration;
  }

  /** As {@link add}, for a caller that cannot wait. */
  addUnsaved(view: MigrationView, request: string | null = null): Migration {
    const migration = this.#migration({ view, request });
    this.#byId.set(view.id, migration);
    this.#forgetOldest();
    return migration;
  }

  /** Where the console log of an instance that left is kept. */
  logFile(migrationId: string): string {
    return join(this.directory, `${migrationId}.serial.log`);
  }

  /** Takes a migration back that never began. */
  async discard(migration: Migration): Promise<void> {
    this.#byId.delete(migration.view.id);
    await rm(join(this.directory, `${migration.view.id}.json`), { force: true });
  }

  #migration(stored: StoredMigration): Migration {
    return new Migration(stored, this.directory, this.#ownership, this.#onEnded);
  }

  #forgetOldest(): void {
    const ended = [...this.#byId.values()].filter(({ view }) => view.endedAt !== null);
    for (const { view } of ended.slice(0, Math.max(0, ended.length - LISTED))) this.#byId.delete(view.id);
  }

  async #read(path: string): Promise<StoredMigration | null> {
    try {
      return decodeMigration(await readFile(path, 'utf8'));
    } catch (err) {
      const missing = err instanceof Error && 'code' in err && err.code === 'ENOENT';
      if (!missing) this.#logger.error({ err, path }, 'the record of a migration cannot be read');
      return null;
    }
  }
}

/** The view of a migration that begins now. */
export function newMigrationView(
  parts: Pick<MigrationView, 'id' | 'instanceId' | 'instanceName' | 'role' | 'peer' | 'phase'>,
): MigrationView {
  return {
    ...parts,
    state: 'running',
    progress: null,
    report: null,
    error: null,
    startedAt: new Date().toISOString(),
    endedAt: null,
    ownership: null,
    doubt: null,
  };
}
