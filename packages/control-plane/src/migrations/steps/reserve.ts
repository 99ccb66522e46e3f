/**
 * Takes a place among the migrations, room at the destination and a part of the bandwidth, all in the transaction that records the step. Who
 * reserves takes turns on one row, over all replicas, so that nothing is given away twice.
 */
import { sql, type Transaction } from 'kysely';
import { z } from 'zod';
import { shareOf, slowest } from '../../placement/bandwidth.js';
import { holdTurn, releaseRoom, reserveRoom } from '../../placement/reservations.js';
import { type Finding, refusalOf } from '../../preflight/finding.js';
import type { Schema } from '../../store/schema.js';
import type { MigrationOptions } from '../options.js';
import type { MigrationRecord } from '../records.js';
import type { Step, StepOutcome } from '../step.js';
import { preflightResult } from './preflight.js';

export const reserveResult = z.object({
  destinationId: z.string(),
  /** Bytes a second; null for no limit. */
  bandwidth: z.number().nullable(),
});

/** Between two looks for a place, ms. */
const PLACE_MS = 1_000;

export const reserve: Step = async ({ migration, options, placement }) => ({
  kind: 'decide',
  async decide(transaction) {
    const { destinations } = preflightResult.parse(migration.steps.preflight.result);
    await holdTurn(transaction);
    const instance = await transaction
      .selectFrom('instances')
      .select(['id', 'name', 'cpus', 'memory_bytes', 'anti_affinity'])
      .where('id', '=', migration.instanceId)
      .executeTakeFirst();
    if (instance === undefined) return gone();
    const against: Finding[] = [];
    let busy = false;
    for (const hostId of destinations) {
      const bandwidth = await placeFor(transaction, migration, hostId, options);
      if (bandwidth === 'none-left') {
        busy = true;
        continue;
      }
      const finding = await reserveRoom(
        transaction,
        {
          id: migration.id,
          instance: {
            id: instance.id,
            name: instance.name,
            cpus: instance.cpus,
            memoryBytes: Number(instance.memory_bytes),
            antiAffinity: instance.anti_affinity,
          },
          hostId,
        },
        placement,
      );
      if (finding !== null) {
        against.push(finding);
        continue;
      }
      const result: z.output<typeof reserveResult> = { destinationId: hostId, bandwidth };
      return { kind: 'done', result, change: { ...result, state: 'running', error: null } };
    }
    if (busy) return { kind: 'wait', inMs: PLACE_MS * (0.75 + Math.random() / 2) };
    const error = refusalOf(against);
    if (error === null) throw new Error('no destination took the guest, and none said why');
    return { kind: 'failed', error };
  },
});

/** Within the transaction that records that the step is undone. */
export function undoReserve(transaction: Transaction<Schema>, { id }: MigrationRecord): Promise<void> {
  return releaseRoom(transaction, id);
}

function gone(): StepOutcome {
  return {
    kind: 'failed',
    error: { code: 'instance-not-found', message: 'The instance was deleted.', retryable: false },
  };
}

interface Counts {
  readonly out: number;
  readonly in: number;
  readonly promised: number;
  readonly waiting: number;
}

/** Bytes a second for a migration to this destination, null for no limit; `none-left` where a limit is reached. */
async function placeFor(
  transaction: Transaction<Schema>,
  migration: MigrationRecord,
  destinationId: string,
  { overall, perHostOut, perHostIn, bandwidthPerHost }: MigrationOptions,
): Promise<number | null | 'none-left'> {
  const all = await countRunning(transaction, null, migration.id);
  if (all.out >= overall) return 'none-left';
  const source = await countRunning(transaction, migration.sourceId, migration.id);
  const destination = await countRunning(transaction, destinationId, migration.id);
  if (source.out >= perHostOut || destination.in >= perHostIn) return 'none-left';
  const shares = [source, destination].map(({ out, in: incoming, promised, waiting }) =>
    shareOf({
      bytesPerSecond: bandwidthPerHost,
      promised,
      running: out + incoming,
      waiting: waiting + 1,
      limit: perHostOut + perHostIn,
    }),
  );
  if (shares.includes('none-left')) return 'none-left';
  return slowest(...shares.filter((share) => share !== 'none-left'));
}

/** Migrations that have a place: those that hold a reservation. `hostId` null: over the fleet, all of them as `out`. */
async function countRunning(
  transaction: Transaction<Schema>,
  hostId: string | null,
  without: string,
): Promise<Counts> {
  const away = hostId === null ? sql`true` : sql`m.source_id = ${hostId}`;
  const here = hostId === null ? sql`false` : sql`m.destination_id = ${hostId}`;
  const { rows } = await sql<{ out: string; incoming: string; promised: string | null; waiting: string }>`
    select
      count(case when r.id is not null and ${away} then 1 end)::text as out,
      count(case when r.id is not null and ${here} then 1 end)::text as incoming,
      sum(case when r.id is not null and (${away} or ${here}) then m.bandwidth else 0 end)::text as promised,
      count(case when r.id is null and m.state = 'waiting' and (${away} or ${here}) then 1 end)::text as waiting
    from migrations m left join reservations r on r.id = m.id
    where m.run_at is not null and m.id <> ${without}`.execute(transaction);
  const [row] = rows;
  return {
    out: Number(row?.out ?? 0),
    in: Number(row?.incoming ?? 0),
    promised: Number(row?.promised ?? 0),
    waiting: Number(row?.waiting ?? 0),
  };
}
