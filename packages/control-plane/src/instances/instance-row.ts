/** Instances as they lie in the database. */
import type { Placement } from '@drover/protocol';
import { type ErrorBody, type InstanceSpec, readInstanceSpec } from '@drover/types';
import type { Selectable } from 'kysely';
import { controlPlaneErrors } from '../errors.js';
import type { Queries } from '../store/database.js';
import type { InstanceTable } from '../store/schema.js';
import { isUuid } from '../store/uuid.js';

export type InstanceRow = Selectable<InstanceTable>;

/** Errors: `instance-not-found`. */
export async function findInstance(db: Queries, idOrName: string): Promise<InstanceRow> {
  const row = await db
    .selectFrom('instances')
    .selectAll()
    .where(isUuid(idOrName) ? 'id' : 'name', '=', idOrName)
    .executeTakeFirst();
  if (row) return row;
  throw controlPlaneErrors.error(
    'instance-not-found',
    `There is no instance ${JSON.stringify(idOrName.slice(0, 253))}; list the instances.`,
  );
}

/** Errors: those of reading a spec, where a later release wrote one that this one does not know. */
export function specOf(row: Pick<InstanceRow, 'spec'>): InstanceSpec {
  return readInstanceSpec(row.spec);
}

export function placementOf(row: Pick<InstanceRow, 'placement'>): Placement {
  return JSON.parse(row.placement) as Placement;
}

export function problemOf(row: Pick<InstanceRow, 'problem'>): ErrorBody | null {
  return row.problem === null ? null : (JSON.parse(row.problem) as ErrorBody);
}
