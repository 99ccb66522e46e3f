/** Hosts as the public API shows them: the row, its last sign of life, and what is taken of its room. */
import type { HostState, HostView } from '@drover/protocol';
import { sql } from 'kysely';
import type { Queries } from '../store/database.js';
import { type HostRow, readDescription } from './host-row.js';

export interface HostUse {
  readonly vmms: number;
  /** With what is promised. */
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Instances that are there or promised room. */
  readonly guests: number;
}

const NONE: HostUse = { vmms: 0, cpus: 0, memoryBytes: 0, guests: 0 };

/** Of these hosts, or of all. A guest that is there and promised room at once, as one that is moving in, is counted once. */
export async function hostUse(db: Queries, ids: readonly string[] | null): Promise<Map<string, HostUse>> {
  if (ids?.length === 0) return new Map();
  const vmms = db
    .selectFrom('vmms')
    .innerJoin('instances', 'instances.id', 'vmms.instance_id')
    .select(({ fn }) => [
      'vmms.host_id',
      sql<string>`count(*)`.as('vmms'),
      fn.sum<string>('instances.cpus').as('cpus'),
      fn.sum<string>('instances.memory_bytes').as('memory_bytes'),
    ])
    .where('vmms.ended_at', 'is', null)
    .groupBy('vmms.host_id');
  const promised = db
    .selectFrom('reservations')
    .select(({ fn }) => [
      'reservations.host_id',
      sql<string>`count(*)`.as('promises'),
      fn.sum<string>('reservations.cpus').as('cpus'),
      fn.sum<string>('reservations.memory_bytes').as('memory_bytes'),
    ])
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('vmms')
            .select('vmms.id')
            .whereRef('vmms.instance_id', '=', 'reservations.instance_id')
            .whereRef('vmms.host_id', '=', 'reservations.host_id')
            .where('vmms.ended_at', 'is', null),
        ),
      ),
    )
    .groupBy('reservations.host_id');
  const taken = await (ids === null ? vmms : vmms.where('vmms.host_id', 'in', [...ids])).execute();
  const wanted = await (ids === null
    ? promised
    : promised.where('reservations.host_id', 'in', [...ids])
  ).execute();
  const use = new Map<string, HostUse>();
  for (const row of taken) {
    const count = Number(row.vmms);
    use.set(row.host_id, {
      vmms: count,
      guests: count,
      cpus: Number(row.cpus),
      memoryBytes: Number(row.memory_bytes),
    });
  }
  for (const row of wanted) {
    const there = use.get(row.host_id) ?? NONE;
    use.set(row.host_id, {
      vmms: there.vmms,
      guests: there.guests + Number(row.promises),
      cpus: there.cpus + Number(row.cpus),
      memoryBytes: there.memoryBytes + Number(row.memory_bytes),
    });
  }
  return use;
}

export async function hostViews(db: Queries, rows: readonly HostRow[]): Promise<HostView[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const seen = await db
    .selectFrom('host_watches')
    .select(['host_id', 'seen_at'])
    .where('host_id', 'in', ids)
    .execute();
  const use = await hostUse(db, ids);
  return rows.map((row) => {
    const taken = use.get(row.id) ?? NONE;
    return {
      id: row.id,
      name: row.name,
      url: row.url,
      state: row.state as HostState,
      desired: row.desired as HostView['desired'],
      labels: row.labels,
      description: readDescription(row.description),
      capacity:
        row.cpus === null || row.memory_bytes === null
          ? null
          : {
              cpus: row.cpus,
              memoryBytes: Number(row.memory_bytes),
              cpusUsed: taken.cpus,
              memoryBytesUsed: taken.memoryBytes,
            },
      vmms: taken.vmms,
      registeredAt: row.registered_at.toISOString(),
      lastSeenAt: seen.find(({ host_id }) => host_id === row.id)?.seen_at?.toISOString() ?? null,
      reason: row.reason,
    };
  });
}
