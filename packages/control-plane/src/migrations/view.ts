/** Migrations as the public API shows them. */
import type { FleetMigration } from '@drover/protocol';
import { slowest } from '../placement/bandwidth.js';
import type { Queries } from '../store/database.js';
import { MIGRATION_STEPS } from './plan.js';
import { decodeMigration, type MigrationRecord, type MigrationRow } from './records.js';

/** In the order of the rows. */
export async function migrationViews(db: Queries, rows: readonly MigrationRow[]): Promise<FleetMigration[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const steps = await db.selectFrom('migration_steps').selectAll().where('migration_id', 'in', ids).execute();
  const hostIds = [...new Set(rows.flatMap((row) => [row.source_id, row.destination_id ?? row.source_id]))];
  const hosts = await db.selectFrom('hosts').select(['id', 'name']).where('id', 'in', hostIds).execute();
  const instanceIds = [...new Set(rows.map(({ instance_id }) => instance_id))];
  const instances = await db
    .selectFrom('instances')
    .select(['id', 'name'])
    .where('id', 'in', instanceIds)
    .execute();
  // Who is gone since is called by its id.
  const names = new Map([...hosts, ...instances].map(({ id, name }) => [id, name]));
  const nameOf = (id: string) => names.get(id) ?? id;
  return rows.map((row) =>
    viewOf(
      decodeMigration(
        row,
        steps.filter(({ migration_id }) => migration_id === row.id),
      ),
      nameOf,
    ),
  );
}

function viewOf(migration: MigrationRecord, nameOf: (id: string) => string): FleetMigration {
  const { id, instanceId, sourceId, destinationId, settings, bandwidth } = migration;
  return {
    id,
    instanceId,
    instanceName: nameOf(instanceId),
    source: { id: sourceId, name: nameOf(sourceId) },
    destination: destinationId === null ? null : { id: destinationId, name: nameOf(destinationId) },
    state: migration.state,
    phase: migration.phase,
    progress: migration.progress,
    // With the part of its hosts' bandwidth that it was given.
    settings: {
      ...settings,
      bandwidthBytesPerSecond: slowest(settings.bandwidthBytesPerSecond, bandwidth),
    },
    steps: MIGRATION_STEPS.map(({ name }) => {
      const { state, attempts, startedAt, endedAt, error } = migration.steps[name];
      return {
        name,
        state,
        attempts,
        startedAt: startedAt?.toISOString() ?? null,
        endedAt: endedAt?.toISOString() ?? null,
        error,
      };
    }),
    drainId: migration.drainId,
    cancelRequested: migration.cancelRequested,
    report: migration.report,
    error: migration.error,
    createdAt: migration.createdAt.toISOString(),
    endedAt: migration.endedAt?.toISOString() ?? null,
  };
}
