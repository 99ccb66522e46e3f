/** How many migrations there are, and whether one more has its turn. */
import { type Kysely, sql } from 'kysely';
import { shareOf, slowest } from '../placement/bandwidth.js';
import type { Schema } from '../store/schema.js';
import type { MigrationOptions } from './options.js';

interface Counts {
  readonly out: number;
  readonly in: number;
  readonly promised: number;
  readonly waiting: number;
}

/**
 * Bytes a second for a migration between these two, null for no limit; `none-left` where a limit is reached. `id`: of the migration that asks, which
 * does not stand in its own way; null for one that is not there yet.
 */
export async function placeFor(
  db: Kysely<Schema>,
  { id, sourceId }: { readonly id: string | null; readonly sourceId: string },
  destinationId: string,
  { overall, perHostOut, perHostIn, bandwidthPerHost }: MigrationOptions,
): Promise<number | null | 'none-left'> {
  const all = await countRunning(db, null, id);
  if (all.out >= overall) return 'none-left';
  const source = await countRunning(db, sourceId, id);
  const destination = await countRunning(db, destinationId, id);
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
  db: Kysely<Schema>,
  hostId: string | null,
  without: string | null,
): Promise<Counts> {
  const away = hostId === null ? sql`true` : sql`m.source_id = ${hostId}`;
  const here = hostId === null ? sql`false` : sql`m.destination_id = ${hostId}`;
  const others = without === null ? sql`true` : sql`m.id <> ${without}`;
  const { rows } = await sql<{ out: string; incoming: string; promised: string | null; waiting: string }>`
    select
      count(case when r.id is not null and ${away} then 1 end)::text as out,
      count(case when r.id is not null and ${here} then 1 end)::text as incoming,
      sum(case when r.id is not null and (${away} or ${here}) then m.bandwidth else 0 end)::text as promised,
      count(case when r.id is null and m.state = 'waiting' and (${away} or ${here}) then 1 end)::text as waiting
    from migrations m left join reservations r on r.id = m.id
    where m.run_at is not null and ${others}`.execute(db);
  const [row] = rows;
  return {
    out: Number(row?.out ?? 0),
    in: Number(row?.incoming ?? 0),
    promised: Number(row?.promised ?? 0),
    waiting: Number(row?.waiting ?? 0),
  };
}
