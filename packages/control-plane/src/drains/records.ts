/** Drains as the database has them. */
import type { DrainView } from '@drover/protocol';
import { type ErrorBody, type MigrationSettings, migrationSettingsSchema } from '@drover/types';
import type { Selectable } from 'kysely';
import type { Queries } from '../store/database.js';
import type { DrainItemTable, DrainTable } from '../store/schema.js';
import type { DrainItem, DrainItemState } from './plan.js';

export interface DrainRecord {
  readonly id: string;
  readonly hostId: string;
  readonly state: DrainView['state'];
  readonly concurrency: number;
  readonly settings: MigrationSettings;
  readonly attempts: number;
  readonly generation: string;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
  readonly items: readonly DrainItem[];
}

export type DrainRow = Selectable<DrainTable>;
export type DrainItemRow = Selectable<DrainItemTable>;

/** Null where there is none of that id. */
export async function readDrain(db: Queries, id: string): Promise<DrainRecord | null> {
  const row = await db.selectFrom('drains').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) return null;
  const items = await db.selectFrom('drain_items').selectAll().where('drain_id', '=', id).execute();
  return {
    id: row.id,
    hostId: row.host_id,
    state: row.state as DrainView['state'],
    concurrency: row.concurrency,
    settings: migrationSettingsSchema.parse(JSON.parse(row.settings)),
    attempts: row.attempts,
    generation: row.generation,
    createdAt: row.created_at,
    endedAt: row.ended_at,
    items: items.map(decodeItem),
  };
}

export function decodeItem(row: DrainItemRow): DrainItem {
  return {
    instanceId: row.instance_id,
    state: row.state as DrainItemState,
    attempts: row.attempts,
    migrationId: row.migration_id,
    destinationId: row.destination_id,
    error: row.error === null ? null : (JSON.parse(row.error) as ErrorBody),
    retryAt: row.retry_at?.getTime() ?? null,
  };
}
