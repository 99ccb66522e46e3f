/** Migrations and their steps as the database has them, and as the code sees them. */
import type { FleetMigration } from '@drover/protocol';
import {
  type Component,
  type ErrorBody,
  type MigrationPhase,
  type MigrationProgress,
  type MigrationReport,
  type MigrationSettings,
  migrationSettingsSchema,
} from '@drover/types';
import type { Selectable } from 'kysely';
import type { Queries } from '../store/database.js';
import type { MigrationStepTable, MigrationTable } from '../store/schema.js';
import { MIGRATION_STEPS, type StepName, type StepState } from './plan.js';

export interface StepRecord {
  readonly name: StepName;
  readonly state: StepState;
  /** Tries so far. */
  readonly attempts: number;
  /** What it came to, for the steps behind it and for whoever goes on with it. */
  readonly result: unknown;
  readonly error: ErrorBody | null;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

export interface MigrationRecord {
  readonly id: string;
  readonly instanceId: string;
  readonly sourceId: string;
  readonly destinationId: string | null;
  readonly wantedDestinationId: string | null;
  readonly state: FleetMigration['state'];
  readonly phase: MigrationPhase | null;
  readonly progress: MigrationProgress | null;
  /** As asked for. */
  readonly settings: MigrationSettings;
  readonly backends: Readonly<Record<string, Component>>;
  readonly drainId: string | null;
  readonly cancelRequested: boolean;
  readonly report: MigrationReport | null;
  readonly error: ErrorBody | null;
  /** Promised of the hosts' budgets, bytes a second; null for no limit. */
  readonly bandwidth: number | null;
  readonly generation: string;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
  readonly steps: Readonly<Record<StepName, StepRecord>>;
}

export type MigrationRow = Selectable<MigrationTable>;
export type MigrationStepRow = Selectable<MigrationStepTable>;

/** Null where there is none of that id. */
export async function readMigration(db: Queries, id: string): Promise<MigrationRecord | null> {
  const row = await db.selectFrom('migrations').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) return null;
  const steps = await db.selectFrom('migration_steps').selectAll().where('migration_id', '=', id).execute();
  return decodeMigration(row, steps);
}

export function decodeMigration(row: MigrationRow, steps: readonly MigrationStepRow[]): MigrationRecord {
  return {
    id: row.id,
    instanceId: row.instance_id,
    sourceId: row.source_id,
    destinationId: row.destination_id,
    wantedDestinationId: row.wanted_destination_id,
    state: row.state as MigrationRecord['state'],
    phase: row.phase as MigrationPhase | null,
    progress: parse(row.progress),
    settings: migrationSettingsSchema.parse(JSON.parse(row.settings)),
    backends: JSON.parse(row.backends),
    drainId: row.drain_id,
    cancelRequested: row.cancel_requested,
    report: parse(row.report),
    error: parse(row.error),
    bandwidth: row.bandwidth === null ? null : Number(row.bandwidth),
    generation: row.generation,
    createdAt: row.created_at,
    endedAt: row.ended_at,
    steps: Object.fromEntries(
      MIGRATION_STEPS.map(({ name }) => [name, decodeStep(name, steps)]),
    ) as MigrationRecord['steps'],
  };
}

function decodeStep(name: StepName, steps: readonly MigrationStepRow[]): StepRecord {
  const row = steps.find((each) => each.name === name);
  return {
    name,
    state: (row?.state ?? 'waiting') as StepState,
    attempts: row?.attempts ?? 0,
    result: parse(row?.result ?? null),
    error: parse(row?.error ?? null),
    startedAt: row?.started_at ?? null,
    endedAt: row?.ended_at ?? null,
  };
}

function parse<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T);
}
