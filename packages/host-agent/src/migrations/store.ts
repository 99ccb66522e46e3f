/** Every migration that this host took part in. All are on disk for good; the newest are kept in memory. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { MigrationView } from '@drover/protocol';
import type { Logger } from 'pino';
import { hostAgentErrors } from '../errors.js';
import { isTemporaryName } from '../storage/atomic-file.js';
import { decodeMigration } from './document.js';
import { Migration } from './migration.js';

/** Ended migrations that are listed; older ones are found by id. */
const LISTED = 500;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class MigrationStore {
  readonly directory: string;
  readonly #logger: Logger;
  readonly #byId = new Map<string, Migration>();

  constructor(directory: string, logger: Logger) {
    this.directory = directory;
    this.#logger = logger;
  }

  /** Reads what earlier agents left; a file that cannot be read is logged and left as it is. */
  async load(): Promise<void> {
    const views: MigrationView[] = [];
    for (const name of await readdir(this.directory)) {
      const path = join(this.directory, name);
      if (isTemporaryName(name)) await rm(path, { force: true });
      else if (UUID.test(name.replace(/\.json$/, ''))) {
        const view = await this.#read(path);
        if (view) views.push(view);
      }
    }
    views.sort((a, b) => a.startedAt.localeCompare(b.startedAt));
    const ended = views.filter(({ endedAt }) => endedAt !== null);
    const forgotten = new Set(ended.slice(0, Math.max(0, ended.length - LISTED)));
    for (const view of views) {
      if (!forgotten.has(view)) this.#byId.set(view.id, new Migration(view, this.directory));
    }
  }

  /** Newest first. */
  list(): MigrationView[] {
    return [...this.#byId.values()].map(({ view }) => view).toReversed();
  }

  get(id: string): Migration | undefined {
    return this.#byId.get(id);
  }

  /** Errors: `migration-not-found`. */
  async find(id: string): Promise<Migration> {
    const listed = this.#byId.get(id);
    if (listed) return listed;
    const view = UUID.test(id) ? await this.#read(join(this.directory, `${id}.json`)) : null;
    if (view) return new Migration(view, this.directory);
    throw hostAgentErrors.error(
      'migration-not-found',
      `This agent took part in no migration ${JSON.stringify(id.slice(0, 80))}; list the migrations to see their ids.`,
    );
  }

  /** Begins the record of a migration; it is on disk when this resolves. */
  async add(view: MigrationView): Promise<Migration> {
    const migration = this.addUnsaved(view);
    await migration.persist();
    return migration;
  }

  /** As {@link add}, for a caller that cannot wait. */
  addUnsaved(view: MigrationView): Migration {
    const migration = new Migration(view, this.directory);
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

  #forgetOldest(): void {
    const ended = [...this.#byId.values()].filter(({ view }) => view.endedAt !== null);
    for (const { view } of ended.slice(0, Math.max(0, ended.length - LISTED))) this.#byId.delete(view.id);
  }

  async #read(path: string): Promise<MigrationView | null> {
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
  };
}
