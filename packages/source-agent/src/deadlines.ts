/** How long the source waits for each thing, ms. Every wait has one (R6). */
export interface SourceDeadlines {
  /** TCP connect and preambles of the control channel. */
  readonly connectMs: number;
  /** The destination's hello. */
  readonly helloMs: number;
  /** PREPARE to PREPARED: the destination starts a VMM in it. */
  readonly prepareMs: number;
  /** No byte of a round acknowledged for this long. */
  readonly stallMs: number;
  /** From asking the VMM for its device state to all of it acknowledged by the destination. */
  readonly stateMs: number;
  /** SWITCHOVER to DIGEST. The guest is paused meanwhile. */
  readonly digestMs: number;
  /** SWITCHOVER (or VERIFIED) to READY. The guest is paused meanwhile. */
  readonly readyMs: number;
  /** COMMIT to RUNNING; then the destination is asked on a fresh connection. */
  readonly runningMs: number;
  /** ABORT to ABORTED, for one try. */
  readonly abortMs: number;
  /** All tries to abort a destination that may be READY, together; the guest already runs again. */
  readonly abortReadyMs: number;
  /** One question to the destination about an unknown outcome. */
  readonly queryMs: number;
  /** First and longest wait between two such questions. */
  readonly queryBackoffMs: readonly [first: number, longest: number];
  /** Resuming the guest after a failure, all tries together. */
  readonly resumeMs: number;
}

export const DEFAULT_SOURCE_DEADLINES: SourceDeadlines = {
  connectMs: 10_000,
  helloMs: 10_000,
  prepareMs: 60_000,
  stallMs: 15_000,
  stateMs: 30_000,
  digestMs: 120_000,
  readyMs: 60_000,
  runningMs: 10_000,
  abortMs: 3_000,
  abortReadyMs: 15_000,
  queryMs: 5_000,
  queryBackoffMs: [100, 5_000],
  resumeMs: 10_000,
};
