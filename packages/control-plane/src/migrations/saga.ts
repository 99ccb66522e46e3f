/**
 * Carries one migration on: reads what is recorded, asks the plan what is next, does it and records it, until there is something to
 * wait for or it has ended. Every write is guarded by the claim's number, and what a step decides is written in the transaction that
 * records it; so a replica may die between any two lines here, and the next one goes on from what is recorded.
 */
import type { Transaction } from 'kysely';
import type { Logger } from 'pino';
import type { ChangeLog, Changes } from '../events/change-log.js';
import type { PlacementOptions } from '../placement/read-fleet.js';
import { releaseRoom } from '../placement/reservations.js';
import type { Preflights } from '../preflight/preflights.js';
import { type Claim, claimLost } from '../saga/claims.js';
import { now } from '../store/clock.js';
import type { Database } from '../store/database.js';
import type { Schema } from '../store/schema.js';
import type { AgentDirectory } from './agents.js';
import { leaveInstance } from './leave-instance.js';
import type { MigrationOptions } from './options.js';
import { type NextAction, nextAction, type StepName } from './plan.js';
import { type MigrationRecord, readMigration, type StepRecord } from './records.js';
import type { MigrationChange, Step, StepOutcome } from './step.js';
import { confirm } from './steps/confirm.js';
import { CANCELLED, cancelled, move } from './steps/move.js';
import { preflight } from './steps/preflight.js';
import { prepare } from './steps/prepare.js';
import { release } from './steps/release.js';
import { reserve, undoReserve } from './steps/reserve.js';
import type { VmmRecords } from './vmm-records.js';

const STEPS: Readonly<Record<StepName, Step>> = { preflight, reserve, prepare, move, confirm, release };

/** Steps that happen within the transaction that records them, and so need no record of their beginning. */
const WITHIN: ReadonlySet<StepName> = new Set(['reserve', 'release']);

const UNDO: Readonly<
  Partial<Record<StepName, (transaction: Transaction<Schema>, migration: MigrationRecord) => Promise<void>>>
> = {
  reserve: undoReserve,
};

export interface MigrationSagaOptions {
  readonly database: Database;
  readonly changeLog: Pick<ChangeLog, 'transaction'>;
  readonly agents: AgentDirectory;
  readonly preflights: Preflights;
  readonly vmms: VmmRecords;
  readonly options: MigrationOptions;
  readonly placement: PlacementOptions;
  readonly load: () => number;
  readonly logger: Logger;
  /** A migration has ended: others may have a place now. */
  readonly ended?: (migration: MigrationRecord) => void;
}

export class MigrationSaga {
  readonly #options: MigrationSagaOptions;

  constructor(options: MigrationSagaOptions) {
    this.#options = options;
  }

  /** Resolves with when to go on, ms from now. Errors: `saga-claim-lost`. */
  async advance(claim: Claim, signal: AbortSignal): Promise<number> {
    for (;;) {
      signal.throwIfAborted();
      const migration = await this.#options.database.run((db) => readMigration(db, claim.id));
      if (migration === null || migration.generation !== claim.generation) throw claimLost(claim);
      if (migration.endedAt !== null) return 0;
      const states = Object.fromEntries(
        Object.values(migration.steps).map(({ name, state }) => [name, state]),
      );
      const action = nextAction(states, migration.cancelRequested);
      if (action.kind === 'run') {
        const inMs = await this.#run(claim, migration, action.step, signal);
        if (inMs !== null) return inMs;
      } else if (action.kind === 'end') {
        const state = await this.#end(claim, migration, action);
        this.#options.ended?.({ ...migration, state });
        return 0;
      } else await this.#back(claim, migration, action);
    }
  }

  /** Null where the step has come to something. */
  async #run(
    claim: Claim,
    migration: MigrationRecord,
    name: StepName,
    signal: AbortSignal,
  ): Promise<number | null> {
    const { state, attempts: before, result } = migration.steps[name];
    const fresh = state !== 'running';
    const attempts = fresh ? before + 1 : before;
    if (fresh && !WITHIN.has(name)) {
      // Recorded first: what a step does may be done although its answer is lost.
      await this.#record(claim, async (transaction, changes) => {
        await setStep(transaction, claim.id, name, { state: 'running', attempts, startedAt: new Date() });
        changes.changed('migration', claim.id);
        return { kind: 'wait', inMs: 0 };
      });
    }
    const outcome = await STEPS[name]({
      ...this.#options,
      migration,
      result,
      attempts,
      signal,
      logger: this.#options.logger.child({
        migration: migration.id,
        instance: migration.instanceId,
        step: name,
      }),
      keep: async (kept) => {
        await this.#record(claim, async (transaction) => {
          await setStep(transaction, claim.id, name, { result: kept });
          return { kind: 'wait', inMs: 0 };
        });
      },
    });
    const settled = await this.#record(claim, async (transaction, changes) => {
      const decided = outcome.kind === 'decide' ? await outcome.decide(transaction, changes) : outcome;
      const begun = fresh && WITHIN.has(name) ? { attempts, startedAt: new Date() } : {};
      await setStep(transaction, claim.id, name, {
        ...begun,
        ...newsOf(recordOf(decided), migration.steps[name]),
      });
      await setMigration(transaction, migration, decided.change ?? {}, changes);
      if (decided.kind !== 'wait') changes.changed('migration', claim.id);
      return decided;
    });
    if (settled.kind === 'wait') return settled.inMs;
    this.#options.logger.info(
      { migration: migration.id, instance: migration.instanceId, step: name, outcome: settled.kind },
      'a step of a migration came to its end',
    );
    return null;
  }

  async #back(
    claim: Claim,
    migration: MigrationRecord,
    { kind, step }: Extract<NextAction, { kind: 'undo' | 'cancel' }>,
  ): Promise<void> {
    await this.#record(claim, async (transaction, changes) => {
      if (kind === 'undo') {
        await UNDO[step]?.(transaction, migration);
        await setStep(transaction, claim.id, step, { state: 'undone', endedAt: new Date() });
      } else {
        const error = cancelled(migration.id);
        await setStep(transaction, claim.id, step, recordOf({ kind: 'failed', error }));
      }
      changes.changed('migration', claim.id);
      return { kind: 'wait', inMs: 0 };
    });
  }

  async #end(
    claim: Claim,
    migration: MigrationRecord,
    { outcome }: Extract<NextAction, { kind: 'end' }>,
  ): Promise<MigrationRecord['state']> {
    const failed = Object.values(migration.steps).find(({ state }) => state === 'failed');
    const error = outcome === 'completed' ? null : (failed?.error ?? null);
    const state = outcome === 'failed' && error?.code === CANCELLED ? 'cancelled' : outcome;
    await this.#record(claim, async (transaction, changes) => {
      // Whatever was undone: nothing of it is left behind (R12).
      await releaseRoom(transaction, migration.id);
      await leaveInstance(transaction, changes, migration);
      await transaction
        .updateTable('migrations')
        .set({
          state,
          error: error && JSON.stringify(error),
          ended_at: new Date(),
          run_at: null,
          lease_owner: null,
          lease_until: null,
        })
        .where('id', '=', migration.id)
        .execute();
      changes.changed('migration', migration.id);
      if (migration.drainId !== null) await lookAtDrain(transaction, migration.drainId);
      return { kind: 'wait', inMs: 0 };
    });
    this.#options.logger.info(
      { migration: migration.id, instance: migration.instanceId, state, code: error?.code },
      'migration ended',
    );
    return state;
  }

  /** One transaction, which is nothing where the claim is another's by now. Errors: `saga-claim-lost`. */
  #record(
    claim: Claim,
    write: (transaction: Transaction<Schema>, changes: Changes) => Promise<StepOutcome>,
  ): Promise<StepOutcome> {
    return this.#options.changeLog.transaction(async (transaction, changes) => {
      const held = await transaction
        .selectFrom('migrations')
        .select('id')
        .where('id', '=', claim.id)
        .where('generation', '=', claim.generation)
        .forUpdate()
        .executeTakeFirst();
      if (held === undefined) throw claimLost(claim);
      return write(transaction, changes);
    });
  }
}

/** A place has become free in its drain. */
async function lookAtDrain(transaction: Transaction<Schema>, drainId: string): Promise<void> {
  await transaction
    .updateTable('drains')
    .set({ run_at: now })
    .where('id', '=', drainId)
    .where('run_at', 'is not', null)
    .execute();
}

interface StepChange {
  readonly state?: 'waiting' | 'running' | 'done' | 'failed' | 'undone';
  readonly attempts?: number;
  readonly result?: unknown;
  readonly error?: unknown;
  readonly startedAt?: Date;
  readonly endedAt?: Date;
}

function recordOf(outcome: StepOutcome): StepChange {
  switch (outcome.kind) {
    case 'done':
      return { state: 'done', result: outcome.result ?? null, error: null, endedAt: new Date() };
    case 'failed':
      return { state: 'failed', error: outcome.error, endedAt: new Date() };
    case 'wait':
      return {
        state: outcome.again ? 'waiting' : 'running',
        ...('result' in outcome ? { result: outcome.result } : {}),
        ...(outcome.change && 'error' in outcome.change ? { error: outcome.change.error } : {}),
      };
  }
}

/** Without what is recorded already: a migration is looked at often, and little changes. */
function newsOf(change: StepChange, step: StepRecord): StepChange {
  const { state, result, error, ...rest } = change;
  return {
    ...rest,
    ...(state === undefined || state === step.state ? {} : { state }),
    ...(result === undefined || same(result, step.result) ? {} : { result }),
    ...(error === undefined || same(error, step.error) ? {} : { error }),
  };
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

async function setStep(
  transaction: Transaction<Schema>,
  migrationId: string,
  name: StepName,
  change: StepChange,
): Promise<void> {
  const set = {
    ...(change.state === undefined ? {} : { state: change.state }),
    ...(change.attempts === undefined ? {} : { attempts: change.attempts }),
    ...(change.startedAt === undefined ? {} : { started_at: change.startedAt }),
    ...(change.endedAt === undefined ? {} : { ended_at: change.endedAt }),
    ...('result' in change ? { result: document(change.result) } : {}),
    ...('error' in change ? { error: document(change.error) } : {}),
  };
  if (Object.keys(set).length === 0) return;
  await transaction
    .updateTable('migration_steps')
    .set(set)
    .where('migration_id', '=', migrationId)
    .where('name', '=', name)
    .execute();
}

/** What differs from what is there; a look that found nothing new writes nothing and tells of nothing. */
async function setMigration(
  transaction: Transaction<Schema>,
  migration: MigrationRecord,
  change: MigrationChange,
  changes: Changes,
): Promise<void> {
  const set = {
    ...(differs('state') ? { state: change.state } : {}),
    ...(differs('destinationId') ? { destination_id: change.destinationId } : {}),
    ...(differs('bandwidth') ? { bandwidth: change.bandwidth } : {}),
    ...(differs('phase') ? { phase: change.phase } : {}),
    ...(differs('progress') ? { progress: document(change.progress) } : {}),
    ...(differs('report') ? { report: document(change.report) } : {}),
    ...(differs('error') ? { error: document(change.error) } : {}),
  };
  if (Object.keys(set).length === 0) return;
  await transaction.updateTable('migrations').set(set).where('id', '=', migration.id).execute();
  changes.changed('migration', migration.id);

  function differs(field: keyof MigrationChange): boolean {
    return change[field] !== undefined && !same(change[field], migration[field]);
  }
}

function document(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value);
}
