/** Single facts that steps look up when they need them. */
import { type InstanceSpec, readInstanceSpec } from '@drover/types';
import type { Queries } from '../store/database.js';

/** By id; a host that is not in the fleet is not in it. */
export async function hostStates(
  db: Queries,
  hostIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await db.selectFrom('hosts').select(['id', 'state']).where('id', 'in', hostIds).execute();
  return new Map(rows.map(({ id, state }) => [id, state]));
}

/** Null where the instance was deleted. */
export async function instanceSpec(db: Queries, instanceId: string): Promise<InstanceSpec | null> {
  const row = await db.selectFrom('instances').select('spec').where('id', '=', instanceId).executeTakeFirst();
  return row === undefined ? null : readInstanceSpec(row.spec);
}
