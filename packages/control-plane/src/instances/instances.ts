/** What users ask of instances: each writes what shall be, and the reconciler brings it about. */
import { randomUUID } from 'node:crypto';
import type { FleetInstance, Placement } from '@drover/protocol';
import { type InstanceSpec, readInstanceSpec, writeInstanceSpecForStorage } from '@drover/types';
import { sql, type Transaction } from 'kysely';
import { controlPlaneErrors } from '../errors.js';
import type { ChangeLog, Changes } from '../events/change-log.js';
import { now } from '../store/clock.js';
import type { Database, Queries } from '../store/database.js';
import type { Schema } from '../store/schema.js';
import { isUniqueViolation } from '../store/unique.js';
import { findInstance, type InstanceRow } from './instance-row.js';
import { instanceView } from './instance-view.js';
import type { Placer } from './place.js';
import type { Reconciler } from './reconciler.js';

/** How long a request waits for what it asked for, ms; then the answer shows how far it is. */
const WAIT_MS = 5_000;

export interface InstanceRequest {
  readonly id?: string | undefined;
  readonly spec: unknown;
  readonly labels: Readonly<Record<string, string>>;
  readonly placement: Placement;
  readonly start: boolean;
}

export class Instances {
  readonly #database: Database;
  readonly #changeLog: ChangeLog;
  readonly #reconciler: Reconciler;
  readonly #placer: Placer;

  constructor(database: Database, changeLog: ChangeLog, reconciler: Reconciler, placer: Placer) {
    this.#database = database;
    this.#changeLog = changeLog;
    this.#reconciler = reconciler;
    this.#placer = placer;
  }

  /**
   * Refused where no host fits now, before anything is made. Errors: those of reading a spec, `instance-name-taken`, `instance-already-here`,
   * `no-host-fits`, `database-unavailable`.
   */
  async create(request: InstanceRequest): Promise<FleetInstance> {
    const spec = readInstanceSpec(request.spec);
    const id = (request.id ?? randomUUID()).toLowerCase();
    const row = rowOf(id, spec, request);
    try {
      // Where another request was faster, what it made is there now: the same instance, or another of the name.
      await this.#write(row, spec, request).catch((thrown: unknown) => {
        if (!isUniqueViolation(thrown)) throw thrown;
        return this.#write(row, spec, request);
      });
    } catch (thrown) {
      throw isUniqueViolation(thrown) ? nameTaken(spec.name) : thrown;
    }
    return this.#brought(id);
  }

  /** Errors: `instance-not-found`, `database-unavailable`. */
  start(idOrName: string): Promise<FleetInstance> {
    return this.#want(idOrName, { desired: 'running', forced: false });
  }

  /** `force`: without asking the guest. Errors: as {@link start}. */
  stop(idOrName: string, force: boolean): Promise<FleetInstance> {
    return this.#want(idOrName, { desired: 'stopped', forced: force });
  }

  /** Errors: `instance-not-found`, `instance-not-stopped`, `instance-busy`, `database-unavailable`. */
  async delete(idOrName: string): Promise<void> {
    const id = await this.#changeLog.transaction(async (transaction, changes) => {
      const row = await findInstance(transaction, idOrName);
      if (row.migration_id !== null) throw busy(row);
      await refuseUnlessStopped(transaction, row);
      await want(transaction, changes, row.id, { desired: 'deleted', forced: false });
      return row.id;
    });
    await this.#reconciler.bring(id, WAIT_MS);
  }

  async #write(row: NewRow, spec: InstanceSpec, { placement }: InstanceRequest): Promise<void> {
    if (!(await this.#database.run((db) => mayBeMade(db, row)))) return;
    await this.#placer.place({ id: row.id, name: row.name, spec, placement }, (promise) =>
      this.#changeLog.transaction(async (transaction, changes) => {
        if (!(await mayBeMade(transaction, row))) return;
        await promise(transaction);
        await transaction.insertInto('instances').values(row).execute();
        changes.changed('instance', row.id);
      }),
    );
  }

  async #want(idOrName: string, wish: Wish): Promise<FleetInstance> {
    const id = await this.#changeLog.transaction(async (transaction, changes) => {
      const row = await findInstance(transaction, idOrName);
      // What is being removed is not wanted back.
      if (row.desired === 'deleted') throw beingDeleted(row);
      await want(transaction, changes, row.id, wish);
      return row.id;
    });
    return this.#brought(id);
  }

  async #brought(id: string): Promise<FleetInstance> {
    await this.#reconciler.bring(id, WAIT_MS);
    return this.#database.run(async (db) => instanceView(db, await findInstance(db, id)));
  }
}

interface Wish {
  readonly desired: 'running' | 'stopped' | 'deleted';
  readonly forced: boolean;
}

async function want(
  transaction: Transaction<Schema>,
  changes: Changes,
  id: string,
  wish: Wish,
): Promise<void> {
  await transaction
    .updateTable('instances')
    .set({ ...wish, run_at: now, attempts: 0, generation: sql<string>`generation + 1` })
    .where('id', '=', id)
    .execute();
  changes.changed('instance', id);
}

type NewRow = ReturnType<typeof rowOf>;

function rowOf(id: string, spec: InstanceSpec, { labels, placement, start }: InstanceRequest) {
  return {
    id,
    name: spec.name,
    spec: JSON.stringify(writeInstanceSpecForStorage(spec)),
    labels: JSON.stringify(labels),
    placement: JSON.stringify(placement),
    anti_affinity: placement.antiAffinity,
    desired: start ? 'running' : 'stopped',
    vmm_id: null,
    migration_id: null,
    problem: null,
    cpus: spec.cpus,
    memory_bytes: spec.memoryMiB * 1024 * 1024,
    created_at: new Date(),
    run_at: now,
    lease_owner: null,
    lease_until: null,
  };
}

/** False where it is there already, by an earlier request. Errors: `instance-already-here`, `instance-name-taken`. */
async function mayBeMade(db: Queries, row: NewRow): Promise<boolean> {
  const there = await db.selectFrom('instances').selectAll().where('id', '=', row.id).executeTakeFirst();
  if (there && !isSameRequest(there, row)) {
    throw controlPlaneErrors.error(
      'instance-already-here',
      `There is an instance ${row.id} already, ${there.name}, and it is another one than is asked for; use another id.`,
    );
  }
  if (there) return false;
  const taken = await db.selectFrom('instances').select('id').where('name', '=', row.name).executeTakeFirst();
  if (taken) throw nameTaken(row.name);
  return true;
}

function isSameRequest(there: InstanceRow, row: NewRow): boolean {
  return (
    there.spec === row.spec &&
    there.placement === row.placement &&
    JSON.stringify(Object.entries(there.labels).toSorted()) ===
      JSON.stringify(Object.entries(JSON.parse(row.labels)).toSorted())
  );
}

async function refuseUnlessStopped(transaction: Transaction<Schema>, row: InstanceRow): Promise<void> {
  if (row.vmm_id === null) return;
  const vmm = await transaction
    .selectFrom('vmms')
    .select(['life', 'ended_reason'])
    .where('id', '=', row.vmm_id)
    .executeTakeFirst();
  if (!vmm || vmm.ended_reason !== null || vmm.life === 'stopped' || vmm.life === 'failed') return;
  throw controlPlaneErrors.error(
    'instance-not-stopped',
    `Instance ${row.name} is ${vmm.life}; stop it before it is deleted.`,
  );
}

function nameTaken(name: string): Error {
  return controlPlaneErrors.error(
    'instance-name-taken',
    `Another instance has the name ${name}; choose another one, or delete that instance.`,
  );
}

function busy(row: InstanceRow): Error {
  return controlPlaneErrors.error(
    'instance-busy',
    `Instance ${row.name} is being moved by migration ${row.migration_id}; wait for its end, or cancel it.`,
  );
}

function beingDeleted(row: InstanceRow): Error {
  return controlPlaneErrors.error(
    'instance-not-found',
    `Instance ${row.name} is being deleted; make another one.`,
  );
}
