/** This replica's own row, so that an operator can see how many there are, and leases that it left behind have an owner with a last sign of life. */
import { beforeNow, now } from './clock.js';
import type { Database } from './database.js';

/** Rows of replicas that have been silent for this long are removed, ms. */
const FORGET_MS = 24 * 3_600_000;

export async function noteReplica(database: Database, id: string): Promise<void> {
  await database.run((db) =>
    db
      .insertInto('replicas')
      .values({ id, seen_at: now })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ seen_at: now }))
      .execute(),
  );
  await database.run((db) => db.deleteFrom('replicas').where('seen_at', '<', beforeNow(FORGET_MS)).execute());
}
