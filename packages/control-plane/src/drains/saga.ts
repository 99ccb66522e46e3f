/**
 * Carries a drain on by one step: reads where its guests are and how their migrations went, asks the plan, and writes the answer in one transaction,
 * new migrations included. What it waits for is in the rows, so any replica can take the next step.
 */
import { DroverError, type ErrorBody } from '@drover/types';
import type { Transaction } from 'kysely';
import type { Logger } from 'pino';
import { controlPlaneErrors } from '../errors.js';
import type { ChangeLog, Changes } from '../events/change-log.js';
import { createMigration } from '../migrations/create.js';
import { type Claim, claimLost } from '../saga/claims.js';
import type { Database, Queries } from '../store/database.js';
import type { Schema } from '../store/schema.js';
import { leaveToMaintenance } from './host-duty.js';
import { type DrainItem, type DrainMigration, type DrainSituation, drainStep } from './plan.js';
import { type DrainRecord, readDrain } from './records.js';

export interface DrainSagaOptions {
  readonly database: Database;
  readonly changeLog: Pick<ChangeLog, 'transaction'>;
  /** Migrations were made: they are due. */
  readonly begun: () => void;
  readonly logger: Logger;
}

/** Between two looks at a drain, ms; the end of one of its migrations makes it due at once. */
const LOOK_MS = 1_000;

export class DrainSaga {
  readonly #options: DrainSagaOptions;

  constructor(options: DrainSagaOptions) {
    this.#options = options;
  }

  /** Resolves with when to go on, ms from now. Errors: `saga-claim-lost`. */
  async advance(claim: Claim, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    const { database, changeLog, begun, logger } = this.#options;
    const drain = await database.run((db) => readDrain(db, claim.id));
    if (drain === null || drain.generation !== claim.generation) throw claimLost(claim);
    if (drain.endedAt !== null) return 0;
    const made = await changeLog.transaction(async (transaction, changes) => {
      await hold(transaction, claim);
      // Read within the transaction that acts on it, so that what one step begins the next one sees.
      const current = await readDrain(transaction, claim.id);
      if (current === null) throw claimLost(claim);
      const step = drainStep(await situationOf(transaction, current));
      await writeItems(transaction, current.id, step.changed);
      let count = 0;
      for (const item of step.begin) {
        if (await begin(transaction, changes, current, item)) count++;
      }
      if (step.end !== null) await end(transaction, changes, current, step.end);
      if (step.end !== null || step.changed.length > 0 || count > 0) changes.changed('drain', current.id);
      return { count, end: step.end };
    });
    if (made.count > 0) begun();
    if (made.end !== null)
      logger.info({ drain: drain.id, host: drain.hostId, state: made.end }, 'drain ended');
    return LOOK_MS;
  }
}

async function hold(transaction: Transaction<Schema>, claim: Claim): Promise<void> {
  const held = await transaction
    .selectFrom('drains')
    .select('id')
    .where('id', '=', claim.id)
    .where('generation', '=', claim.generation)
    .forUpdate()
    .executeTakeFirst();
  if (held === undefined) throw claimLost(claim);
}

async function situationOf(db: Queries, drain: DrainRecord): Promise<DrainSituation> {
  const host = await db
    .selectFrom('hosts')
    .select(['name', 'state'])
    .where('id', '=', drain.hostId)
    .executeTakeFirst();
  const guests = await db
    .selectFrom('instances')
    .innerJoin('vmms', 'vmms.id', 'instances.vmm_id')
    .select(['instances.id', 'instances.migration_id'])
    .where('vmms.host_id', '=', drain.hostId)
    .where('vmms.ended_at', 'is', null)
    .where('instances.desired', '!=', 'deleted')
    .orderBy('instances.name')
    .execute();
  const incoming = await db
    .selectFrom('migrations')
    .select('id')
    .where('run_at', 'is not', null)
    .where('destination_id', '=', drain.hostId)
    .where('state', '!=', 'waiting')
    .execute();
  return {
    now: Date.now(),
    cancelled: drain.state === 'cancelled',
    concurrency: drain.concurrency,
    attempts: drain.attempts,
    items: drain.items,
    lost: host === undefined || host.state === 'lost' ? hostLost(host?.name ?? drain.hostId) : null,
    guests: guests.map(({ id, migration_id }) => ({ instanceId: id, migrationId: migration_id })),
    elsewhere: await whereabouts(
      db,
      drain.items.map(({ instanceId }) => instanceId),
    ),
    migrations: await migrationsOf(
      db,
      drain.items.flatMap(({ migrationId }) => migrationId ?? []),
    ),
    incoming: incoming.length,
  };
}

function hostLost(name: string): ErrorBody {
  return controlPlaneErrors
    .error('host-lost', `Host ${name} is lost for good, and with it what had not been moved.`)
    .toBody();
}

async function whereabouts(
  db: Queries,
  instanceIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (instanceIds.length === 0) return new Map();
  const rows = await db
    .selectFrom('instances')
    .innerJoin('vmms', 'vmms.id', 'instances.vmm_id')
    .select(['instances.id', 'vmms.host_id'])
    .where('instances.id', 'in', instanceIds)
    .execute();
  return new Map(rows.map(({ id, host_id }) => [id, host_id]));
}

async function migrationsOf(
  db: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, DrainMigration>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom('migrations')
    .select(['id', 'state', 'destination_id', 'error', 'ended_at'])
    .where('id', 'in', ids)
    .execute();
  return new Map(
    rows.map(({ id, state, destination_id, error, ended_at }) => [
      id,
      {
        outcome: ended_at === null ? 'under-way' : (state as DrainMigration['outcome']),
        destinationId: destination_id,
        error: error === null ? null : (JSON.parse(error) as ErrorBody),
      },
    ]),
  );
}

/** False where it cannot begin now; it is looked at again with the next step. */
async function begin(
  transaction: Transaction<Schema>,
  changes: Changes,
  drain: DrainRecord,
  item: DrainItem,
): Promise<boolean> {
  try {
    const migrationId = await createMigration(transaction, changes, {
      id: null,
      instanceId: item.instanceId,
      destinationId: null,
      settings: drain.settings,
      backends: {},
      drainId: drain.id,
    });
    await writeItems(transaction, drain.id, [
      { ...item, state: 'moving', attempts: item.attempts + 1, migrationId, error: null, retryAt: null },
    ]);
    return true;
  } catch (thrown) {
    // A refusal, before anything was written: somebody else moves, stops or deletes it.
    if (thrown instanceof DroverError && thrown.code !== 'saga-claim-lost') return false;
    throw thrown;
  }
}

async function writeItems(
  transaction: Transaction<Schema>,
  drainId: string,
  items: readonly DrainItem[],
): Promise<void> {
  for (const item of items) {
    const row = {
      state: item.state,
      attempts: item.attempts,
      migration_id: item.migrationId,
      destination_id: item.destinationId,
      error: item.error && JSON.stringify(item.error),
      retry_at: item.retryAt === null ? null : new Date(item.retryAt),
    };
    await transaction
      .insertInto('drain_items')
      .values({ drain_id: drainId, instance_id: item.instanceId, ...row })
      .onConflict((conflict) => conflict.columns(['drain_id', 'instance_id']).doUpdateSet(row))
      .execute();
  }
}

async function end(
  transaction: Transaction<Schema>,
  changes: Changes,
  drain: DrainRecord,
  outcome: 'completed' | 'ended-with-remains',
): Promise<void> {
  const cancelled = drain.state === 'cancelled';
  await transaction
    .updateTable('drains')
    .set({
      state: cancelled ? 'cancelled' : outcome,
      ended_at: new Date(),
      run_at: null,
      lease_owner: null,
      lease_until: null,
    })
    .where('id', '=', drain.id)
    .execute();
  if (!cancelled) await leaveToMaintenance(transaction, changes, drain.hostId);
}
