/** Migration settings, progress and report, version 1. Frozen; see `instance-spec/v1.ts` for what that means. */
import { z } from 'zod';

const count = z.int().min(0);
const ms = z.number().min(0);

export const migrationPhaseV1 = z.enum([
  'connecting',
  'preparing',
  'rounds',
  'switchover',
  'handover',
  'done',
]);
/** `in-doubt`: relinquished, and the destination's word is still missing; the source stays paused (R4). */
export const migrationStateV1 = z.enum(['running', 'completed', 'failed', 'cancelled', 'in-doubt']);

export const migrationSettingsV1 = z.strictObject({
  /** Page channels. */
  connections: z.int().min(1).max(64).default(2),
  /** Bytes a second over all channels; null for no limit. */
  bandwidthBytesPerSecond: z.int().min(65_536).nullable().default(null),
  /** Switch over once the expected downtime is below this, ms. */
  maxDowntimeMs: z.int().min(1).max(600_000).default(100),
  /** Give up after this many rounds without the expected downtime fitting. */
  maxRounds: z.int().min(1).max(10_000).default(60),
  /** Give up after this long before the switchover, ms. */
  timeoutMs: z.int().min(1_000).default(3_600_000),
  /** Compare digests of all memory on both sides while paused; adds the time of the digest to the downtime. */
  verify: z.boolean().default(false),
});

/** One line of live progress; also an event on the wire. Estimates are null until there is a measurement. */
export const migrationProgressV1 = z.strictObject({
  phase: migrationPhaseV1,
  round: count,
  elapsedMs: ms,
  wireBytes: count,
  pagesSent: count,
  pagesRemaining: count,
  /** Bytes a second over the last interval. */
  bandwidthBytesPerSecond: count,
  /** Pages a second that the guest dirtied in the last round. */
  dirtyPagesPerSecond: count.nullable(),
  expectedDowntimeMs: ms.nullable(),
});

export const roundReportV1 = z.strictObject({
  round: count,
  durationMs: ms,
  /** Pages known dirty when the round began. */
  pages: count,
  dataPages: count,
  zeroPages: count,
  tornPages: count,
  wireBytes: count,
  /** Length of the guest's stop for a quiesced round, ms; 0 where none was needed. */
  quiescedMs: ms,
});

/** The downtime and its parts, ms. `totalMs` is the source's clock from before the pause to RUNNING received. */
export const downtimeReportV1 = z.strictObject({
  totalMs: ms,
  pauseMs: ms,
  lastRoundMs: ms,
  stateSaveMs: ms,
  verifyMs: ms,
  loadMs: ms,
  handoverMs: ms,
  resumeMs: ms,
});

export const migrationReportV1 = z.strictObject({
  migrationId: z.uuid(),
  instanceId: z.uuid(),
  driver: z.enum(['qemu']),
  ramMode: z.enum(['external']),
  accelerator: z.enum(['kvm', 'tcg']),
  tracker: z.enum(['pagemap-scan']),
  protocolVersion: count,
  specVersion: count,
  epoch: z.string(),
  settings: migrationSettingsV1,
  totalMs: ms,
  rounds: z.array(roundReportV1),
  wireBytes: count,
  dataPages: count,
  zeroPages: count,
  stateBytes: count,
  downtime: downtimeReportV1,
  /** True when both digests were taken and agreed; null when not asked for. */
  verified: z.boolean().nullable(),
});

export type MigrationPhaseV1 = z.output<typeof migrationPhaseV1>;
export type MigrationStateV1 = z.output<typeof migrationStateV1>;
export type MigrationSettingsV1 = z.output<typeof migrationSettingsV1>;
export type MigrationSettingsV1Input = z.input<typeof migrationSettingsV1>;
export type MigrationProgressV1 = z.output<typeof migrationProgressV1>;
export type RoundReportV1 = z.output<typeof roundReportV1>;
export type DowntimeReportV1 = z.output<typeof downtimeReportV1>;
export type MigrationReportV1 = z.output<typeof migrationReportV1>;
