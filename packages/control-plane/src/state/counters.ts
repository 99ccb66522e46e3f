/** How much each path found, and what was turned down: read by the metrics, counted from this replica's start. */

/** How the control plane came to look: a ring, an upcall, its own round, or the answer to something that it asked for itself. */
export type Origin = 'doorbell' | 'upcall' | 'watcher' | 'request';

export interface StateCounters {
  /** Rings taken, by whether their VMM was known. */
  readonly rings: { known: number; unknown: number };
  readonly upcalls: { known: number; unknown: number };
  /** States that were newer than what was stored, by how they were found. */
  readonly found: Record<Origin, number>;
  /** States read that told nothing new. */
  unchanged: number;
  /** States that were older than what was stored: an agent told less than it had told before (R10). */
  stale: number;
  /** States of a VMM that is another host's or another instance's. */
  foreign: number;
  /** VMMs that an agent no longer has and never said the end of. */
  vanished: number;
  acknowledged: number;
  /** Rounds over one host, by outcome. */
  readonly sweeps: { completed: number; failed: number };
  /** From a ring to its state being stored, ms, of the last ones. */
  readonly refreshLagMs: number[];
}

/** Lags kept for the metrics. */
const LAGS = 1024;

export function newStateCounters(): StateCounters {
  return {
    rings: { known: 0, unknown: 0 },
    upcalls: { known: 0, unknown: 0 },
    found: { doorbell: 0, upcall: 0, watcher: 0, request: 0 },
    unchanged: 0,
    stale: 0,
    foreign: 0,
    vanished: 0,
    acknowledged: 0,
    sweeps: { completed: 0, failed: 0 },
    refreshLagMs: [],
  };
}

export function noteLag(counters: StateCounters, ms: number): void {
  counters.refreshLagMs.push(ms);
  if (counters.refreshLagMs.length > LAGS) counters.refreshLagMs.splice(0, LAGS / 2);
}
