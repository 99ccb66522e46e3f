/** VMMs as the public API shows them. */
import type { FleetVmm } from '@drover/protocol';
import type { VmmState } from '@drover/types';
import type { Queries } from '../store/database.js';

/** A VMM with what its host adds to it. */
export function selectVmms(db: Queries) {
  return db
    .selectFrom('vmms')
    .leftJoin('hosts', 'hosts.id', 'vmms.host_id')
    .leftJoin('host_watches', 'host_watches.host_id', 'vmms.host_id')
    .select([
      'vmms.id',
      'vmms.instance_id',
      'vmms.host_id',
      'vmms.state',
      'vmms.ended_reason',
      'vmms.ended_at',
      'vmms.created_at',
      'vmms.seen_at',
      'hosts.name as host_name',
      'hosts.state as host_state',
      'host_watches.listed_at',
    ]);
}

export type VmmRow = Awaited<ReturnType<ReturnType<typeof selectVmms>['execute']>>[number];

export function vmmView(row: VmmRow): FleetVmm {
  const ended = row.ended_reason !== null && row.ended_at !== null;
  // Every round over its host saw it, as long as it has not ended; that is not written into each row.
  const listed = ended || row.listed_at === null ? row.seen_at : row.listed_at;
  return {
    id: row.id,
    instanceId: row.instance_id,
    hostId: row.host_id,
    hostName: row.host_name ?? row.host_id,
    state: JSON.parse(row.state) as VmmState,
    ended:
      row.ended_reason !== null && row.ended_at !== null
        ? {
            reason: row.ended_reason as NonNullable<FleetVmm['ended']>['reason'],
            at: row.ended_at.toISOString(),
          }
        : null,
    seenAt: (listed > row.seen_at ? listed : row.seen_at).toISOString(),
    current:
      ended || (row.host_state !== null && row.host_state !== 'unreachable' && row.host_state !== 'lost'),
  };
}

export async function vmmViews(db: Queries, ids: readonly string[]): Promise<Map<string, FleetVmm>> {
  if (ids.length === 0) return new Map();
  const rows = await selectVmms(db)
    .where('vmms.id', 'in', [...ids])
    .execute();
  return new Map(rows.map((row) => [row.id, vmmView(row)]));
}
