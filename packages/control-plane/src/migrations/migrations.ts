/** Migrations as the rest of the control plane knows them: asked for, cancelled, decided; and the work on them in this replica. */
import type { FleetMigration } from '@drover/protocol';
import type { Component, MigrationSettings } from '@drover/types';
import type { Logger } from 'pino';
import { controlPlaneErrors } from '../errors.js';
import type { ChangeLog } from '../events/change-log.js';
import { findHost } from '../hosts/host-row.js';
import { findInstance } from '../instances/instance-row.js';
import type { PlacementOptions } from '../placement/read-fleet.js';
import type { Preflights } from '../preflight/preflights.js';
import { SagaRunner } from '../saga/runner.js';
import { now } from '../store/clock.js';
import type { Database } from '../store/database.js';
import { isUuid } from '../store/uuid.js';
import type { AgentDirectory } from './agents.js';
import { createMigration } from './create.js';
import type { MigrationOptions } from './options.js';
import type { MigrationRecord } from './records.js';
import { readMigration } from './records.js';
import { type Resolution, resolveMigration } from './resolve.js';
import { MigrationSaga } from './saga.js';
import { migrationViews } from './view.js';
import type { VmmRecords } from './vmm-records.js';

export interface MigrationsOptions {
  readonly replicaId: string;
  readonly database: Database;
  readonly changeLog: ChangeLog;
  readonly agents: AgentDirectory;
  readonly preflights: Preflights;
  readonly vmms: VmmRecords;
  readonly options: MigrationOptions;
  readonly placement: PlacementOptions;
  /** A migration of a drain has ended. */
  readonly drainGoesOn: () => void;
  readonly logger: Logger;
  /** Of each migration whose end this replica has recorded. */
  readonly recorded?: (migration: MigrationRecord) => void;
}

export interface MigrationRequest {
  readonly id?: string | undefined;
  /** Ids or names. */
  readonly instance: string;
  readonly destination: string | null;
  readonly settings: MigrationSettings;
  readonly backends: Readonly<Record<string, Component>>;
}

/** Between two looks at what is due, ms; what this replica itself makes due it looks at without that. */
const POLL_MS = 250;
/** Migrations advanced at once. */
const AT_ONCE = 32;

export class Migrations {
  readonly #options: MigrationsOptions;
  readonly #runner: SagaRunner;
  /** Migrations under way, as this replica counted them last. */
  #load = 1;

  constructor(options: MigrationsOptions) {
    this.#options = options;
    const saga = new MigrationSaga({
      ...options,
      load: () => this.#load,
      ended: (migration) => {
        this.#runner.kick();
        options.recorded?.(migration);
        if (migration.drainId !== null) options.drainGoesOn();
      },
    });
    this.#runner = new SagaRunner({
      database: options.database,
      table: 'migrations',
      owner: options.replicaId,
      leaseMs: options.options.leaseMs,
      pollMs: POLL_MS,
      concurrency: AT_ONCE,
      advance: (claim, signal) => saga.advance(claim, signal),
      logger: options.logger,
    });
  }

  start(): void {
    this.#runner.start();
  }

  close(): Promise<void> {
    return this.#runner.close();
  }

  /** There are migrations to go on with. */
  kick(): void {
    this.#runner.kick();
  }

  /** Counts what is under way, so that with many each is looked at less often. */
  async count(): Promise<void> {
    const row = await this.#options.database.run((db) =>
      db
        .selectFrom('migrations')
        .select(({ fn }) => fn.countAll<string>().as('count'))
        .where('run_at', 'is not', null)
        .executeTakeFirst(),
    );
    this.#load = Math.max(1, Number(row?.count ?? 1));
  }

  /**
   * Errors: `instance-not-found`, `host-not-found`, `instance-not-placed`, `migration-under-way`, `migration-id-in-use`.
   */
  async create({ id, instance, destination, settings, backends }: MigrationRequest): Promise<FleetMigration> {
    const made = await this.#options.changeLog.transaction(async (transaction, changes) => {
      const row = await findInstance(transaction, instance);
      const host = destination === null ? null : await findHost(transaction, destination);
      return createMigration(transaction, changes, {
        id: id?.toLowerCase() ?? null,
        instanceId: row.id,
        destinationId: host?.id ?? null,
        settings,
        backends,
        drainId: null,
      });
    });
    this.#runner.kick();
    return this.view(made);
  }

  /** Errors: `migration-not-found`. */
  async view(id: string): Promise<FleetMigration> {
    const [view] = isUuid(id) ? await this.views([id.toLowerCase()]) : [];
    if (view) return view;
    throw controlPlaneErrors.error(
      'migration-not-found',
      `There is no migration ${JSON.stringify(id.slice(0, 64))}; list the migrations.`,
    );
  }

  /** Those that there are, in no order. */
  views(ids: readonly string[]): Promise<FleetMigration[]> {
    return this.#options.database.run(async (db) =>
      migrationViews(db, await db.selectFrom('migrations').selectAll().where('id', 'in', ids).execute()),
    );
  }

  /** Asks for it; whether it is heeded is up to where the migration is. One that has ended stays as it is. Errors: `migration-not-found`. */
  async cancel(id: string): Promise<FleetMigration> {
    const { endedAt } = await this.view(id);
    if (endedAt === null) {
      await this.#options.changeLog.transaction(async (transaction, changes) => {
        const rows = await transaction
          .updateTable('migrations')
          .set({ cancel_requested: true, run_at: now })
          .where('id', '=', id)
          .where('run_at', 'is not', null)
          .returning('id')
          .execute();
        if (rows.length > 0) changes.changed('migration', id);
      });
      this.#runner.kick();
    }
    return this.view(id);
  }

  /** Errors: `migration-not-found`, `migration-not-in-doubt`, `host-not-found`, `host-not-lost`; what the agent answers. */
  async resolve(id: string, resolution: Resolution): Promise<FleetMigration> {
    const { database, agents } = this.#options;
    await this.view(id);
    const migration = await database.run((db) => readMigration(db, id));
    if (migration !== null) await resolveMigration(database, agents, migration, resolution);
    await database.run((db) =>
      db
        .updateTable('migrations')
        .set({ run_at: now })
        .where('id', '=', id)
        .where('run_at', 'is not', null)
        .execute(),
    );
    this.#runner.kick();
    return this.view(id);
  }
}
