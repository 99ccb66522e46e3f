/**
 * Who works on a saga: whoever claimed its row last. A claim is a lease until a time of the database's clock, and a number that every
 * claim raises. Whatever its owner writes carries the number, so that one that was slow, or thought dead, changes nothing any more.
 */
import { controlPlaneErrors } from '../errors.js';
import { fromNow, now } from '../store/clock.js';
import type { Queries } from '../store/database.js';

/** Tables whose rows are sagas: with `id`, `lease_owner`, `lease_until`, `generation` and `run_at`. */
export type SagaTable = 'migrations' | 'drains';

export interface Claim {
  readonly table: SagaTable;
  readonly id: string;
  /** Decimal. */
  readonly generation: string;
}

export interface ClaimRequest {
  /** The replica's id. */
  readonly owner: string;
  readonly leaseMs: number;
  readonly limit: number;
}

/** Takes sagas whose time has come and that nobody holds, those first that have waited longest. */
export async function claimDue(
  db: Queries,
  table: SagaTable,
  { owner, leaseMs, limit }: ClaimRequest,
): Promise<readonly Claim[]> {
  const due = await db
    .selectFrom(table)
    .select('id')
    .where('run_at', '<=', now)
    .where((where) => where.or([where('lease_until', 'is', null), where('lease_until', '<', now)]))
    .orderBy('run_at')
    .limit(limit)
    .execute();
  if (due.length === 0) return [];
  // Asked once more in the statement that writes: another replica may have been faster.
  const rows = await db
    .updateTable(table)
    .set((eb) => ({
      lease_owner: owner,
      lease_until: fromNow(leaseMs),
      // In the future for as long as it is held, so that a time that has come says that somebody asked for a look meanwhile.
      run_at: fromNow(leaseMs),
      generation: eb('generation', '+', '1'),
    }))
    .where(
      'id',
      'in',
      due.map(({ id }) => id),
    )
    .where('run_at', '<=', now)
    .where((where) => where.or([where('lease_until', 'is', null), where('lease_until', '<', now)]))
    .returning(['id', 'generation'])
    .execute();
  return rows.map(({ id, generation }) => ({ table, id, generation }));
}

/** Errors: `saga-claim-lost`. */
export async function renewClaim(db: Queries, claim: Claim, leaseMs: number): Promise<void> {
  const rows = await db
    .updateTable(claim.table)
    .set({ lease_until: fromNow(leaseMs) })
    .where('id', '=', claim.id)
    .where('generation', '=', claim.generation)
    .returning('id')
    .execute();
  if (rows.length === 0) throw claimLost(claim);
}

/** Lets go, to go on `inMs` from now; does nothing where the claim was lost, since then it is another's. */
export async function releaseClaim(db: Queries, claim: Claim, inMs: number): Promise<void> {
  await db
    .updateTable(claim.table)
    .set((eb) => ({
      lease_owner: null,
      lease_until: null,
      // A saga that ended has no time to go on, and one that somebody wants looked at keeps it.
      run_at: eb
        .case()
        .when('run_at', 'is', null)
        .then(null)
        .when('run_at', '<=', now)
        .then(eb.ref('run_at'))
        .else(fromNow(inMs))
        .end(),
    }))
    .where('id', '=', claim.id)
    .where('generation', '=', claim.generation)
    .execute();
}

export function claimLost({ table, id }: Claim): Error {
  return controlPlaneErrors.error(
    'saga-claim-lost',
    `Another replica goes on with ${id} of ${table}; what this one wanted to record was not.`,
  );
}
