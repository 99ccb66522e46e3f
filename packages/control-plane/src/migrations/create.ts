/** Makes the rows of a migration, and with them the instance's mark that it is being moved: there is one at a time. */
import { randomUUID } from 'node:crypto';
import type { Component, MigrationSettings } from '@drover/types';
import type { Transaction } from 'kysely';
import { controlPlaneErrors } from '../errors.js';
import type { Changes } from '../events/change-log.js';
import { now } from '../store/clock.js';
import type { Schema } from '../store/schema.js';
import { MIGRATION_STEPS } from './plan.js';

export interface NewMigration {
  /** Of the caller's choice, for asking again safely; null for a new one. */
  readonly id: string | null;
  readonly instanceId: string;
  /** Null lets the control plane choose. */
  readonly destinationId: string | null;
  readonly settings: MigrationSettings;
  readonly backends: Readonly<Record<string, Component>>;
  readonly drainId: string | null;
}

/**
 * Resolves with its id. May be called again from its beginning. Errors: `instance-not-found`, `instance-not-placed`,
 * `migration-under-way`, `migration-id-in-use`.
 */
export async function createMigration(
  transaction: Transaction<Schema>,
  changes: Changes,
  wanted: NewMigration,
): Promise<string> {
  if (wanted.id !== null && (await isThere(transaction, wanted.id, wanted))) return wanted.id;
  const id = wanted.id ?? randomUUID();
  const instance = await transaction
    .selectFrom('instances')
    .leftJoin('vmms', 'vmms.id', 'instances.vmm_id')
    .select(['instances.name', 'instances.desired', 'instances.migration_id', 'vmms.host_id'])
    .where('instances.id', '=', wanted.instanceId)
    .executeTakeFirst();
  if (instance === undefined) {
    throw controlPlaneErrors.error(
      'instance-not-found',
      `There is no instance ${wanted.instanceId} in the fleet; list the instances.`,
    );
  }
  if (instance.host_id === null || instance.desired === 'deleted') {
    const why = instance.host_id === null ? 'is on no host yet' : 'is being deleted';
    throw controlPlaneErrors.error(
      'instance-not-placed',
      `Instance ${instance.name} ${why}, so there is nothing to move.`,
    );
  }
  await mark(transaction, wanted.instanceId, instance.name, id);
  changes.changed('instance', wanted.instanceId);
  await transaction
    .insertInto('migrations')
    .values({
      id,
      instance_id: wanted.instanceId,
      source_id: instance.host_id,
      destination_id: wanted.destinationId,
      wanted_destination_id: wanted.destinationId,
      state: 'waiting',
      phase: null,
      progress: null,
      settings: JSON.stringify(wanted.settings),
      backends: JSON.stringify(wanted.backends),
      drain_id: wanted.drainId,
      report: null,
      error: null,
      lease_owner: null,
      lease_until: null,
      run_at: now,
      created_at: new Date(),
      ended_at: null,
    })
    .execute();
  await transaction
    .insertInto('migration_steps')
    .values(
      MIGRATION_STEPS.map(({ name }, position) => ({
        migration_id: id,
        name,
        position,
        state: 'waiting',
        result: null,
        error: null,
        started_at: null,
        ended_at: null,
      })),
    )
    .execute();
  changes.changed('migration', id);
  return id;
}

/** True where this very request was made before. Errors: `migration-id-in-use`. */
async function isThere(transaction: Transaction<Schema>, id: string, wanted: NewMigration): Promise<boolean> {
  const row = await transaction
    .selectFrom('migrations')
    .select(['instance_id', 'wanted_destination_id', 'settings', 'backends'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) return false;
  const same =
    row.instance_id === wanted.instanceId &&
    row.wanted_destination_id === wanted.destinationId &&
    row.settings === JSON.stringify(wanted.settings) &&
    row.backends === JSON.stringify(wanted.backends);
  if (same) return true;
  throw controlPlaneErrors.error(
    'migration-id-in-use',
    `Migration ${id} was asked for with another request; choose another id.`,
  );
}

/** Compare-and-set: of two that ask at once, one gets it. */
async function mark(
  transaction: Transaction<Schema>,
  instanceId: string,
  name: string,
  id: string,
): Promise<void> {
  const marked = await transaction
    .updateTable('instances')
    .set((eb) => ({ migration_id: id, generation: eb('generation', '+', '1') }))
    .where('id', '=', instanceId)
    .where('migration_id', 'is', null)
    .returning('id')
    .execute();
  if (marked.length > 0) return;
  throw controlPlaneErrors.error(
    'migration-under-way',
    `Instance ${name} is being moved already; wait for that migration, or cancel it.`,
  );
}
