/** The options of a control plane: what a configuration file, the environment and flags come down to. */
import { checkShape } from '@drover/types';
import { z } from 'zod';
import { controlPlaneErrors } from './errors.js';
import { migrationOptionsSchema, placementOptionsSchema } from './migrations/options.js';

const ms = z.int().min(1).max(3_600_000);
const days = z.int().min(1).max(3_650);

export const controlPlaneOptionsSchema = z.strictObject({
  /** The public API, the doorbell and the upcall. Port 0 lets the kernel choose. */
  listen: z.strictObject({ host: z.string().min(1).max(253), port: z.int().min(0).max(65_535) }),
  /** `pglite:DIR`, for one replica; `postgres://…`, which is also CockroachDB's. */
  database: z.string().min(1).max(2048),
  /** Connections to the database, at most. */
  databaseConnections: z.int().min(2).max(200).default(10),
  /** How often every host is asked for everything, ms: the longest that a lost doorbell can cost. */
  watchPeriodMs: ms.default(30_000),
  /** How often a host shall say that it lives, ms. */
  heartbeatMs: ms.default(10_000),
  /** Requests to agents at once: to one, and over all. */
  agents: z
    .strictObject({
      perHost: z.int().min(1).max(64).default(4),
      overall: z.int().min(1).max(4096).default(64),
      /** How long an agent may take for an answer, ms. */
      timeoutMs: ms.default(10_000),
    })
    .prefault({}),
  /** What hosts are taken to have room for. */
  placement: placementOptionsSchema.prefault({}),
  migrations: migrationOptionsSchema.prefault({}),
  /** What an operator's own means of switching a host off are; without it only a person declares a host lost. */
  fence: z
    .strictObject({
      /** Program and arguments. `DROVER_HOST_ID`, `_NAME` and `_URL` say which host; it must exit with 0 only once that can run nothing any more. */
      command: z.array(z.string().min(1)).min(1),
      /** How long a host must have been unreachable, ms. */
      afterMs: ms.default(120_000),
      /** How long the command may take, ms. */
      timeoutMs: ms.default(60_000),
    })
    .optional(),
  /** How long what has ended is kept: events for those who come back, VMMs, the audit trail. */
  keep: z
    .strictObject({
      eventsMs: z
        .int()
        .min(1_000)
        .max(30 * 86_400_000)
        .default(6 * 3_600_000),
      vmmDays: days.default(30),
      auditDays: days.default(365),
    })
    .prefault({}),
  /** Between signs of life on an event stream, ms. */
  streamHeartbeatMs: ms.default(10_000),
  /** How long a stopping control plane waits for what is under way, ms. */
  shutdownTimeoutMs: ms.default(15_000),
});

/** As given; defaults may be left out. */
export type ControlPlaneOptions = z.input<typeof controlPlaneOptionsSchema>;
export type CompleteOptions = z.output<typeof controlPlaneOptionsSchema>;

/** Errors: `control-plane-options-invalid`, which names the option. */
export function completeOptions(options: ControlPlaneOptions): CompleteOptions {
  const checked = checkShape(controlPlaneOptionsSchema, options, 'control-plane');
  if (checked.ok) return checked.value;
  throw controlPlaneErrors.error('control-plane-options-invalid', `${checked.sentence}.`);
}
