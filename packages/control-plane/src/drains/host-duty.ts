/**
 * What an operator wants of a host, and with it what the host is. One that does not answer keeps its state, and comes to what is wanted when it
 * answers again; one that is lost stays lost.
 */
import { sql, type Transaction } from 'kysely';
import type { Changes } from '../events/change-log.js';
import { setHostState } from '../hosts/host-row.js';
import type { Schema } from '../store/schema.js';

export async function setDuty(
  transaction: Transaction<Schema>,
  changes: Changes,
  hostId: string,
  desired: 'active' | 'draining' | 'maintenance',
): Promise<void> {
  await transaction
    .updateTable('hosts')
    .set({ desired, generation: sql<string>`generation + 1` })
    .where('id', '=', hostId)
    .execute();
  await setHostState(transaction, changes, hostId, {
    state: desired,
    reason: null,
    from: ['active', 'draining', 'maintenance'],
  });
  changes.changed('host', hostId);
}

/** Its drain has ended; a host that is wanted for something else by now is left to that. */
export async function leaveToMaintenance(
  transaction: Transaction<Schema>,
  changes: Changes,
  hostId: string,
): Promise<void> {
  const row = await transaction
    .selectFrom('hosts')
    .select('desired')
    .where('id', '=', hostId)
    .forUpdate()
    .executeTakeFirst();
  if (row?.desired === 'draining') await setDuty(transaction, changes, hostId, 'maintenance');
}
