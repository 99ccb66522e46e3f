/**
 * Room that is promised, over all replicas. Whoever promises some locks the host's row first and holds it to the end of the
 * transaction: so what is counted there is what is there. Limits over the fleet are counted behind a row of their own.
 */
import type { Transaction } from 'kysely';
import type { Finding } from '../preflight/finding.js';
import type { Schema } from '../store/schema.js';
import { findRoom, keepsApart } from './constraints.js';
import { type PlacementOptions, readGroups, readUse, roomOf } from './read-fleet.js';

export interface RoomRequest {
  /** Of the migration, or of the instance that is being made. */
  readonly id: string;
  readonly instance: {
    readonly id: string;
    readonly name: string;
    readonly cpus: number;
    readonly memoryBytes: number;
    /** Its anti-affinity group, where that is to be kept here as well; two that were judged at once may have chosen the same host. */
    readonly antiAffinity?: string | null;
  };
  readonly hostId: string;
}

/** Waits for the turn to count over the fleet; the row stays locked to the transaction's end. Taken before any host's row. */
export async function holdTurn(transaction: Transaction<Schema>): Promise<void> {
  await transaction
    .selectFrom('turns')
    .select('name')
    .where('name', '=', 'reserve')
    .forUpdate()
    .executeTakeFirstOrThrow();
}

/**
 * Promises room. Asking again for the same id changes nothing. Resolves with what speaks against it: `host-takes-no-guests`,
 * `host-full`, `anti-affinity-kept`; null where the room is reserved.
 */
export async function reserveRoom(
  transaction: Transaction<Schema>,
  { id, instance, hostId }: RoomRequest,
  options: PlacementOptions,
): Promise<Finding | null> {
  const host = await transaction
    .selectFrom('hosts')
    .select(['id', 'name', 'state', 'cpus', 'memory_bytes'])
    .where('id', '=', hostId)
    .forUpdate()
    .executeTakeFirst();
  const use = await readUse(transaction, [hostId], instance.id);
  const finding = findRoom(
    { name: instance.name, cpus: instance.cpus, memoryBytes: instance.memoryBytes },
    host && {
      name: host.name,
      state: host.state,
      room: roomOf(
        {
          cpus: host.cpus,
          memoryBytes: host.memory_bytes === null ? null : Number(host.memory_bytes),
        },
        use.get(hostId),
        options,
      ),
    },
  );
  if (finding !== null) return finding;
  const group = instance.antiAffinity ?? null;
  if (group !== null) {
    const there = (await readGroups(transaction, [hostId])).get(hostId) ?? {};
    const kept = keepsApart(
      { name: instance.name, instanceId: instance.id, antiAffinity: group },
      {
        name: host?.name ?? hostId,
        groups: there,
      },
    );
    if (kept !== null) return kept;
  }
  await transaction
    .insertInto('reservations')
    .values({
      id,
      instance_id: instance.id,
      host_id: hostId,
      cpus: instance.cpus,
      memory_bytes: instance.memoryBytes,
      created_at: new Date(),
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  return null;
}

export async function releaseRoom(transaction: Transaction<Schema>, id: string): Promise<void> {
  await transaction.deleteFrom('reservations').where('id', '=', id).execute();
}
