/** How long the destination waits for each thing, ms. Every wait has one, but for COMMIT or ABORT in READY (R4, R6). */
export interface DestinationDeadlines {
  /** Preamble answered to the source's hello, and from there to its first request. */
  readonly helloMs: number;
  /** PREPARED to the last bulk channel there. */
  readonly channelsMs: number;
  /** PREPARED to SWITCHOVER. A silent source is noticed long before. */
  readonly roundsMs: number;
  /** No byte of a round arrives for this long. */
  readonly stallMs: number;
  /** No frame of the last round after SWITCHOVER for this long. */
  readonly lastRoundMs: number;
  /** DIGEST to VERIFIED. */
  readonly verifiedMs: number;
  /** All memory here to the device state loaded. */
  readonly loadMs: number;
  /** RUNNING to the source's report; it may never come. */
  readonly reportMs: number;
  /** Resuming the VMM after OWNED is on disk, all tries together. */
  readonly resumeMs: number;
  /** Tearing down one VMM. */
  readonly teardownMs: number;
}

export const DEFAULT_DESTINATION_DEADLINES: DestinationDeadlines = {
  helloMs: 10_000,
  channelsMs: 20_000,
  roundsMs: 24 * 3_600_000,
  stallMs: 15_000,
  lastRoundMs: 30_000,
  verifiedMs: 120_000,
  loadMs: 30_000,
  reportMs: 10_000,
  resumeMs: 10_000,
  teardownMs: 15_000,
};
