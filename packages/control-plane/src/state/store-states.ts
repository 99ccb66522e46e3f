/**
 * Writes what agents say of their VMMs. A newer generation replaces an older one, never the other way round (R10), in whatever order they
 * arrive; a VMM stays on the host and with the instance that it was first seen with, whoever claims it later.
 */
import { sql, type Transaction } from 'kysely';
import type { Changes } from '../events/change-log.js';
import type { VmmView } from '../hosts/agent.js';
import type { Schema } from '../store/schema.js';

export interface SeenVmm {
  readonly hostId: string;
  readonly view: VmmView;
}

/** `stored`: it was newer. `known`: this or a newer one is there already. `foreign`: the VMM is another host's or instance's. */
export type StoreOutcome = 'stored' | 'known' | 'foreign';

/** At most one view of each VMM. Returns the outcome of each, by VMM. */
export async function storeStates(
  transaction: Transaction<Schema>,
  changes: Changes,
  seen: readonly SeenVmm[],
): Promise<Map<string, StoreOutcome>> {
  const outcomes = new Map<string, StoreOutcome>();
  if (seen.length === 0) return outcomes;
  // In one order in every replica, so that two batches do not wait for each other.
  const rows = seen.toSorted((a, b) => (a.view.state.vmmId < b.view.state.vmmId ? -1 : 1)).map(rowOf);
  const stored = await transaction
    .insertInto('vmms')
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet((eb) => ({
          state: eb.ref('excluded.state'),
          generation: eb.ref('excluded.generation'),
          epoch: eb.ref('excluded.epoch'),
          life: eb.ref('excluded.life'),
          migration: eb.ref('excluded.migration'),
          ended_reason: eb.ref('excluded.ended_reason'),
          ended_at: eb.ref('excluded.ended_at'),
          seen_at: eb.ref('excluded.seen_at'),
        }))
        .whereRef('vmms.host_id', '=', 'excluded.host_id')
        .whereRef('vmms.instance_id', '=', 'excluded.instance_id')
        // What a lost host had is ended for good.
        .where(sql<boolean>`vmms.ended_reason is distinct from 'host-lost'`)
        .where((eb) =>
          eb.or([
            eb('excluded.generation', '>', eb.ref('vmms.generation')),
            // The end of a VMM may be said without a new state.
            eb.and([
              eb('excluded.generation', '=', eb.ref('vmms.generation')),
              eb('excluded.ended_reason', 'is not', null),
              eb('vmms.ended_reason', 'is', null),
            ]),
          ]),
        ),
    )
    .returning('id')
    .execute();
  for (const { id } of stored) {
    outcomes.set(id, 'stored');
    changes.changed('vmm', id);
  }
  const others = rows.filter(({ id }) => !outcomes.has(id));
  if (others.length === 0) return outcomes;
  const there = await transaction
    .selectFrom('vmms')
    .select(['id', 'host_id', 'instance_id'])
    .where(
      'id',
      'in',
      others.map(({ id }) => id),
    )
    .execute();
  for (const row of others) {
    const known = there.find(({ id }) => id === row.id);
    const own = known?.host_id === row.host_id && known.instance_id === row.instance_id;
    outcomes.set(row.id, own ? 'known' : 'foreign');
  }
  return outcomes;
}

function rowOf({ hostId, view: { state, migration, ended } }: SeenVmm) {
  const at = new Date();
  return {
    id: state.vmmId,
    instance_id: state.instanceId,
    host_id: hostId,
    state: JSON.stringify(state),
    generation: state.generation,
    epoch: state.epoch,
    life: state.life,
    migration: migration && JSON.stringify(migration),
    ended_reason: ended?.reason ?? null,
    ended_at: ended ? new Date(ended.at) : null,
    created_at: at,
    seen_at: at,
  };
}
