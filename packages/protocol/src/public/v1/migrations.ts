/** Migrations, in the public API 1.0.0. Frozen with the release that serves it. */
import {
  componentIdV1,
  componentV3,
  migrationPhaseV1,
  migrationProgressV1,
  migrationReportV2,
  migrationSettingsV1,
} from '@drover/types';
import { z } from 'zod';
import { errorBody } from '../../http-error.js';
import { count } from './shared.js';

export const migrationStepNameV1 = z.enum(['preflight', 'reserve', 'prepare', 'move', 'confirm', 'release']);
export const migrationStepV1 = z.object({
  name: migrationStepNameV1,
  state: z.enum(['waiting', 'running', 'done', 'failed', 'undone']),
  /** Tries so far. */
  attempts: count,
  startedAt: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime().nullable(),
  error: errorBody.nullable(),
});

/** `in-doubt`: handed over, and neither agent's journal could be asked yet (R4). */
export const fleetMigrationStateV1 = z.enum([
  'waiting',
  'running',
  'in-doubt',
  'completed',
  'failed',
  'cancelled',
]);

export const fleetMigrationV1 = z.object({
  id: z.uuid(),
  instanceId: z.uuid(),
  instanceName: z.string(),
  source: z.object({ id: z.uuid(), name: z.string() }),
  /** Null while none is chosen. */
  destination: z.object({ id: z.uuid(), name: z.string() }).nullable(),
  state: fleetMigrationStateV1,
  /** Of the source's agent, while it moves. */
  phase: migrationPhaseV1.nullable(),
  progress: migrationProgressV1.nullable(),
  settings: migrationSettingsV1,
  steps: z.array(migrationStepV1),
  drainId: z.uuid().nullable(),
  cancelRequested: z.boolean(),
  report: migrationReportV2.nullable(),
  error: errorBody.nullable(),
  createdAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
});

export const createMigrationBodyV1 = z.strictObject({
  id: z.uuid().optional(),
  /** Id or name. */
  instance: z.string().max(253),
  /** Id or name of a host; null lets the control plane choose. */
  destination: z.string().max(253).nullable().default(null),
  settings: migrationSettingsV1.prefault({}),
  backends: z.record(componentIdV1, componentV3).default({}),
});

/** An operator's word on a migration in doubt; see `resolveMigration` of the agent API. */
export const resolveBodyV1 = z.strictObject({
  decision: z.enum(['take-back', 'take-over', 'give-up']),
  /** Id or name of the host that is lost; it must be in the state `lost`. */
  lostHost: z.string().min(1).max(253),
  reason: z.string().min(1).max(1024),
});

export type FleetMigrationV1 = z.output<typeof fleetMigrationV1>;
export type MigrationStepV1 = z.output<typeof migrationStepV1>;
