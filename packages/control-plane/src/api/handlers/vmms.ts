import type { ControlPlaneParts } from '../../control-plane.js';
import { controlPlaneErrors } from '../../errors.js';
import { findHost } from '../../hosts/host-row.js';
import { findInstance } from '../../instances/instance-row.js';
import { selectVmms, type VmmRow, vmmView } from '../../state/vmm-view.js';
import { isUuid } from '../../store/uuid.js';
import { type ListKey, pageOf, readCursor } from '../paging.js';
import type { HandlersOf } from './handler.js';

const newestFirst: ListKey<VmmRow> = {
  list: 'vmms',
  parts: ['time', 'uuid'],
  of: ({ created_at, id }) => [created_at.toISOString(), id],
};

export function vmmHandlers({ database }: ControlPlaneParts): HandlersOf<'listVmms' | 'getVmm'> {
  return {
    listVmms: ({ query }) =>
      database.run(async (db) => {
        const after = readCursor(newestFirst, query.cursor);
        let rows = selectVmms(db)
          .orderBy('vmms.created_at', 'desc')
          .orderBy('vmms.id', 'desc')
          .limit(query.limit + 1);
        if (after) {
          const [time = '', id = ''] = after;
          const at = new Date(time);
          // The bound alone is what the index begins at; without it every page reads all those before it.
          rows = rows
            .where('vmms.created_at', '<=', at)
            .where((where) => where.or([where('vmms.created_at', '<', at), where('vmms.id', '<', id)]));
        }
        if (query.instance !== undefined) {
          // The VMMs of an instance that is gone are still there under its id.
          const id = isUuid(query.instance) ? query.instance : (await findInstance(db, query.instance)).id;
          rows = rows.where('vmms.instance_id', '=', id);
        }
        if (query.host !== undefined) {
          const id = isUuid(query.host) ? query.host : (await findHost(db, query.host)).id;
          rows = rows.where('vmms.host_id', '=', id);
        }
        const page = pageOf(newestFirst, await rows.execute(), query.limit);
        return { items: page.rows.map(vmmView), nextCursor: page.nextCursor };
      }),
    async getVmm({ path }) {
      const row = isUuid(path.vmm)
        ? await database.run((db) => selectVmms(db).where('vmms.id', '=', path.vmm).executeTakeFirst())
        : undefined;
      if (row) return vmmView(row);
      throw controlPlaneErrors.error(
        'vmm-not-found',
        `There is no VMM ${JSON.stringify(path.vmm.slice(0, 64))}; list the VMMs.`,
      );
    },
  };
}
