import type { Transaction } from 'kysely';
import type { Changes } from '../events/change-log.js';
import { followInstances } from '../state/follow-instances.js';
import type { Schema } from '../store/schema.js';
import type { MigrationRecord } from './records.js';

/** The instance is no longer in this migration; in another it stays. */
export async function leaveInstance(
  transaction: Transaction<Schema>,
  changes: Changes,
  { id, instanceId }: MigrationRecord,
): Promise<void> {
  const left = await transaction
    .updateTable('instances')
    .set((eb) => ({ migration_id: null, generation: eb('generation', '+', '1') }))
    .where('id', '=', instanceId)
    .where('migration_id', '=', id)
    .returning('id')
    .execute();
  if (left.length === 0) return;
  changes.changed('instance', instanceId);
  // While it was in the migration nothing else moved it from VMM to VMM.
  await followInstances(transaction, changes, [instanceId]);
}
