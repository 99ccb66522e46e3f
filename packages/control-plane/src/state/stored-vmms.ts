import type { Database } from '../store/database.js';

/** A VMM that the database has and that has not ended, as far as it knows. */
export interface StoredVmm {
  readonly id: string;
  readonly instance_id: string;
  readonly generation: string;
}

/** By host; a host without any is missing. */
export async function readStoredVmms(
  database: Database,
  hostIds: readonly string[],
): Promise<Map<string, StoredVmm[]>> {
  const stored = new Map<string, StoredVmm[]>();
  if (hostIds.length === 0) return stored;
  const rows = await database.run((db) =>
    db
      .selectFrom('vmms')
      .select(['id', 'host_id', 'instance_id', 'generation'])
      .where('host_id', 'in', [...hostIds])
      .where('ended_at', 'is', null)
      .execute(),
  );
  for (const { host_id, ...vmm } of rows) {
    const own = stored.get(host_id) ?? [];
    stored.set(host_id, own);
    own.push(vmm);
  }
  return stored;
}
