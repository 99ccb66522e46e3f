/** Drains as the rest of the control plane knows them: asked for and called off; and the work on them in this replica. */
import { randomUUID } from 'node:crypto';
import type { DrainView } from '@drover/protocol';
import type { MigrationSettings } from '@drover/types';
import type { Logger } from 'pino';
import { controlPlaneErrors } from '../errors.js';
import type { ChangeLog } from '../events/change-log.js';
import { findHost } from '../hosts/host-row.js';
import { SagaRunner } from '../saga/runner.js';
import { now } from '../store/clock.js';
import type { Database } from '../store/database.js';
import { isUuid } from '../store/uuid.js';
import { setDuty } from './host-duty.js';
import { DrainSaga } from './saga.js';
import { drainViews } from './view.js';

export interface DrainsOptions {
  readonly replicaId: string;
  readonly database: Database;
  readonly changeLog: ChangeLog;
  readonly leaseMs: number;
  /** Migrations were made: they are due. */
  readonly begun: () => void;
  readonly logger: Logger;
}

export interface DrainRequest {
  readonly concurrency: number;
  readonly settings: MigrationSettings;
  readonly attempts: number;
}

/** Between two looks at what is due, ms. */
const POLL_MS = 500;
/** Drains advanced at once. */
const AT_ONCE = 8;

export class Drains {
  readonly #options: DrainsOptions;
  readonly #runner: SagaRunner;

  constructor(options: DrainsOptions) {
    this.#options = options;
    const saga = new DrainSaga(options);
    this.#runner = new SagaRunner({
      ...options,
      table: 'drains',
      owner: options.replicaId,
      pollMs: POLL_MS,
      concurrency: AT_ONCE,
      advance: (claim, signal) => saga.advance(claim, signal),
    });
  }

  start(): void {
    this.#runner.start();
  }

  close(): Promise<void> {
    return this.#runner.close();
  }

  /** One of its migrations has ended. */
  kick(): void {
    this.#runner.kick();
  }

  /** Errors: `host-not-found`, `host-lost`, `drain-under-way`. */
  async drain(host: string, { concurrency, settings, attempts }: DrainRequest): Promise<DrainView> {
    const drainId = randomUUID();
    await this.#options.changeLog.transaction(async (transaction, changes) => {
      const { id, name } = await findHost(transaction, host);
      // Held, so that of two that ask at once one finds the other's.
      const row = await transaction
        .selectFrom('hosts')
        .select('state')
        .where('id', '=', id)
        .forUpdate()
        .executeTakeFirst();
      if (row?.state === 'lost') {
        throw controlPlaneErrors.error(
          'host-lost',
          `Host ${name} is lost for good, and nothing is left on it to move.`,
        );
      }
      const running = await transaction
        .selectFrom('drains')
        .select('id')
        .where('host_id', '=', id)
        .where('state', '=', 'running')
        .executeTakeFirst();
      if (running?.id === drainId) return;
      if (running !== undefined) {
        throw controlPlaneErrors.error(
          'drain-under-way',
          `Host ${name} is being drained already, by drain ${running.id}; follow that one.`,
        );
      }
      await setDuty(transaction, changes, id, 'draining');
      await transaction
        .insertInto('drains')
        .values({
          id: drainId,
          host_id: id,
          state: 'running',
          concurrency,
          settings: JSON.stringify(settings),
          attempts,
          lease_owner: null,
          lease_until: null,
          run_at: now,
          created_at: new Date(),
          ended_at: null,
        })
        .execute();
      changes.changed('drain', drainId);
    });
    this.#runner.kick();
    return this.view(drainId);
  }

  /** The host takes guests again; a drain of it starts nothing more. Resolves with its id. Errors: `host-not-found`, `host-lost`. */
  async undrain(host: string): Promise<string> {
    const hostId = await this.#options.changeLog.transaction(async (transaction, changes) => {
      const { id, name, state } = await findHost(transaction, host);
      if (state === 'lost') {
        throw controlPlaneErrors.error(
          'host-lost',
          `Host ${name} is lost for good and takes no guests any more.`,
        );
      }
      await setDuty(transaction, changes, id, 'active');
      const called = await transaction
        .updateTable('drains')
        .set({ state: 'cancelled', run_at: now })
        .where('host_id', '=', id)
        .where('state', '=', 'running')
        .returning('id')
        .execute();
      for (const drain of called) changes.changed('drain', drain.id);
      return id;
    });
    this.#runner.kick();
    return hostId;
  }

  /** Errors: `drain-not-found`. */
  async view(id: string): Promise<DrainView> {
    const [view] = isUuid(id) ? await this.views([id.toLowerCase()]) : [];
    if (view) return view;
    throw controlPlaneErrors.error(
      'drain-not-found',
      `There is no drain ${JSON.stringify(id.slice(0, 64))}; list the drains.`,
    );
  }

  /** Those that there are, in no order. */
  views(ids: readonly string[]): Promise<DrainView[]> {
    return this.#options.database.run(async (db) =>
      drainViews(db, await db.selectFrom('drains').selectAll().where('id', 'in', ids).execute()),
    );
  }
}
