/** What users ask of instances: each writes what shall be, and the reconciler brings it about. */
import { randomUUID } from 'node:crypto';
import type { FleetInstance, Placement } from '@drover/protocol';
import { type InstanceSpec, readInstanceSpec, writeInstanceSpecForStorage } from '@drover/types';
import { sql, type Transaction } from 'kysely';
import { controlPlaneErrors } from '../errors.js';
import type { ChangeLog, Changes } from '../events/change-log.js';
import { now } from '../store/clock.js';
import type { Database } from '../store/database.js';
import type { Schema } from '../store/schema.js';
import { isUniqueViolation } from '../store/unique.js';
import { findInstance, type InstanceRow } from './instance-row.js';
import { instanceView } from './instance-view.js';
import { placeInstance } from './place.js';
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

  constructor(database: Database, changeLog: ChangeLog, reconciler: Reconciler) {
    this.#database = database;
    this.#changeLog = changeLog;
    this.#reconciler = reconciler;
  }

  /**
   * Refused where no host fits now, before anything is made. Errors: those of reading a spec, `instance-name-taken`, `instance-already-here`,
   * `no-host-fits`, `database-unavailable`.
   */
  async create(request: InstanceRequest): Promise<FleetInstance> {
    const spec = readInstanceSpec(request.spec);
    const id = (request.id ?? randomUUID()).toLowerCase();
    const row = rowOf(id, spec, request);
    const write = () =>
      this.#changeLog.transaction((transaction, changes) => insert(transaction, changes, row, spec, request));
    try {
      // Where another request was faster, what it made is there now: the same instance, or another of the name.
      await write().catch((thrown: unknown) => {
        if (!isUniqueViolation(thrown)) throw thrown;
        return write();
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

async function insert(
  transaction: Transaction<Schema>,
  changes: Changes,
  row: ReturnType<typeof rowOf>,
  spec: InstanceSpec,
  { placement }: InstanceRequest,
): Promise<void> {
  const there = await transaction
    .selectFrom('instances')
    .selectAll()
    .where('id', '=', row.id)
    .executeTakeFirst();
  if (there) {
    if (isSameRequest(there, row)) return;
    throw controlPlaneErrors.error(
      'instance-already-here',
      `There is an instance ${row.id} already, ${there.name}, and it is another one than is asked for; use another id.`,
    );
  }
  const taken = await transaction
    .selectFrom('instances')
    .select('id')
    .where('name', '=', row.name)
    .executeTakeFirst();
  if (taken) throw nameTaken(row.name);
  await placeInstance(transaction, { id: row.id, name: row.name, spec, placement });
  await transaction.insertInto('instances').values(row).execute();
  changes.changed('instance', row.id);
}

function isSameRequest(there: InstanceRow, row: ReturnType<typeof rowOf>): boolean {
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
