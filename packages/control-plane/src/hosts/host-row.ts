/** Hosts as they lie in the database: finding them, and the few changes that more than one place makes. */
import type { HostState } from '@drover/protocol';
import { DroverError, type Host, readHost, writeHost } from '@drover/types';
import { type Selectable, sql, type Transaction } from 'kysely';
import { controlPlaneErrors } from '../errors.js';
import type { Changes } from '../events/change-log.js';
import type { Queries } from '../store/database.js';
import type { HostTable, Schema } from '../store/schema.js';
import { isUuid } from '../store/uuid.js';

export type HostRow = Selectable<HostTable>;

/** Errors: `host-not-found`. */
export async function findHost(db: Queries, idOrName: string): Promise<HostRow> {
  const row = await db
    .selectFrom('hosts')
    .selectAll()
    .where(isUuid(idOrName) ? 'id' : 'name', '=', idOrName)
    .executeTakeFirst();
  if (row) return row;
  throw hostNotFound(idOrName);
}

export function hostNotFound(idOrName: string): DroverError {
  return controlPlaneErrors.error(
    'host-not-found',
    `No host ${JSON.stringify(idOrName.slice(0, 253))} is registered; list the hosts.`,
  );
}

/** A description as it is kept; null where there is none, or one of a release that this one does not know. */
export function readDescription(stored: string | null): Host | null {
  if (stored === null) return null;
  try {
    return readHost(stored);
  } catch (thrown) {
    if (thrown instanceof DroverError) return null;
    throw thrown;
  }
}

export function writeDescription(host: Host): string {
  return JSON.stringify(writeHost(host));
}

export interface NewState {
  readonly state: HostState;
  readonly reason: string | null;
  /** Only from one of these. */
  readonly from: readonly HostState[];
}

/** Puts a host into a state; false where it was in none that this is allowed from. */
export async function setHostState(
  transaction: Transaction<Schema>,
  changes: Changes,
  id: string,
  { state, reason, from }: NewState,
): Promise<boolean> {
  const rows = await transaction
    .updateTable('hosts')
    .set({ state, reason, state_since: sql<Date>`now()`, generation: sql<string>`generation + 1` })
    .where('id', '=', id)
    .where('state', 'in', [...from])
    .returning('id')
    .execute();
  if (rows.length === 0) return false;
  changes.changed('host', id);
  return true;
}
