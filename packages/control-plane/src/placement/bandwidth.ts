/**
 * A host's bandwidth budget over its migrations. An agent is told its rate when a migration begins and not again, so what was promised stays
 * promised: a new one gets an equal part among those that are there and those that wait, but never more than is left. Pure.
 */

export interface HostBudget {
  /** Bytes a second for all migrations of the host; null for no limit. */
  readonly bytesPerSecond: number | null;
  /** Promised to those under way. */
  readonly promised: number;
  /** Migrations under way, and those that wait for a place, this one among them. */
  readonly running: number;
  readonly waiting: number;
  /** Migrations of the host at once, at most. */
  readonly limit: number;
}

/** The slowest rate that the settings of a migration can say, bytes a second. */
const SLOWEST = 65_536;

/**
 * Bytes a second that a new migration of this host gets; null where nothing limits it, `none-left` where it must wait for another to end. One
 * that is alone gets the whole budget.
 */
export function shareOf({
  bytesPerSecond,
  promised,
  running,
  waiting,
  limit,
}: HostBudget): number | null | 'none-left' {
  if (bytesPerSecond === null) return null;
  const sharers = Math.max(1, Math.min(limit, running + waiting));
  const left = bytesPerSecond - promised;
  const share = Math.min(Math.floor(bytesPerSecond / sharers), left);
  // Less than the smallest fair part would let one crawl for as long as another takes everything.
  return share < Math.max(SLOWEST, Math.floor(bytesPerSecond / limit)) ? 'none-left' : share;
}

/** The slowest of what limits a migration: what was asked for, and the parts at both hosts. */
export function slowest(...rates: readonly (number | null)[]): number | null {
  const limits = rates.filter((rate) => rate !== null);
  return limits.length === 0 ? null : Math.min(...limits);
}
