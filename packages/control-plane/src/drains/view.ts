/** Drains as the public API shows them, guests by name. */
import type { DrainView } from '@drover/protocol';
import type { Queries } from '../store/database.js';
import { type DrainRow, decodeItem } from './records.js';

/** In the order of the rows. */
export async function drainViews(db: Queries, rows: readonly DrainRow[]): Promise<DrainView[]> {
  if (rows.length === 0) return [];
  const items = await db
    .selectFrom('drain_items')
    .leftJoin('instances', 'instances.id', 'drain_items.instance_id')
    .selectAll('drain_items')
    .select('instances.name as name')
    .where(
      'drain_id',
      'in',
      rows.map(({ id }) => id),
    )
    .execute();
  const hostIds = new Set([
    ...rows.map(({ host_id }) => host_id),
    ...items.flatMap(({ destination_id }) => destination_id ?? []),
  ]);
  const hosts = await db
    .selectFrom('hosts')
    .select(['id', 'name'])
    .where('id', 'in', [...hostIds])
    .execute();
  const nameOf = (id: string) => hosts.find((host) => host.id === id)?.name ?? id;
  return rows.map((row) => {
    const own = items
      .filter(({ drain_id }) => drain_id === row.id)
      .map((item) => ({ ...decodeItem(item), name: item.name ?? item.instance_id }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return {
      id: row.id,
      hostId: row.host_id,
      hostName: nameOf(row.host_id),
      state: row.state as DrainView['state'],
      concurrency: row.concurrency,
      total: own.length,
      moved: own.filter(({ state }) => state === 'moved').length,
      stays: own.filter(({ state }) => state === 'stays').length,
      items: own.map(({ instanceId, name, state, attempts, migrationId, destinationId, error }) => ({
        instanceId,
        instanceName: name,
        state,
        attempts,
        migrationId,
        destination: destinationId === null ? null : nameOf(destinationId),
        error,
      })),
      createdAt: row.created_at.toISOString(),
      endedAt: row.ended_at?.toISOString() ?? null,
    };
  });
}
