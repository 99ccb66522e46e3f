/** Instances as the public API shows them: what each shall be, and beside it what was last seen of its VMM. */
import type { FleetInstance } from '@drover/protocol';
import { vmmViews } from '../state/vmm-view.js';
import type { Queries } from '../store/database.js';
import { type InstanceRow, placementOf, problemOf, specOf } from './instance-row.js';

export async function instanceViews(db: Queries, rows: readonly InstanceRow[]): Promise<FleetInstance[]> {
  const vmms = await vmmViews(
    db,
    rows.flatMap(({ vmm_id }) => vmm_id ?? []),
  );
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    spec: specOf(row),
    labels: row.labels,
    placement: placementOf(row),
    desired: row.desired as FleetInstance['desired'],
    vmm: (row.vmm_id !== null && vmms.get(row.vmm_id)) || null,
    migrationId: row.migration_id,
    problem: problemOf(row),
    createdAt: row.created_at.toISOString(),
  }));
}

export async function instanceView(db: Queries, row: InstanceRow): Promise<FleetInstance> {
  const [view] = await instanceViews(db, [row]);
  if (!view) throw new Error('one row gives one view');
  return view;
}
