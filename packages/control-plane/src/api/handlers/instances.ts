import type { ControlPlaneParts } from '../../control-plane.js';
import { controlPlaneErrors } from '../../errors.js';
import { findHost } from '../../hosts/host-row.js';
import { findInstance, type InstanceRow } from '../../instances/instance-row.js';
import { instanceView, instanceViews } from '../../instances/instance-view.js';
import { hasLabel } from '../label-filter.js';
import { type ListKey, pageOf, readCursor } from '../paging.js';
import type { HandlersOf } from './handler.js';

const byName: ListKey<InstanceRow> = { list: 'instances', parts: ['text'], of: ({ name }) => [name] };

export function instanceHandlers(
  parts: ControlPlaneParts,
): HandlersOf<
  | 'createInstance'
  | 'listInstances'
  | 'getInstance'
  | 'startInstance'
  | 'stopInstance'
  | 'deleteInstance'
  | 'getInstanceLog'
> {
  const { database, instances, directory, agents } = parts;
  return {
    createInstance: ({ body }) => instances.create(body),
    listInstances: ({ query }) =>
      database.run(async (db) => {
        const after = readCursor(byName, query.cursor);
        let rows = db
          .selectFrom('instances')
          .selectAll('instances')
          .orderBy('instances.name')
          .limit(query.limit + 1);
        if (after) rows = rows.where('instances.name', '>', after[0] ?? '');
        if (query.label !== undefined) rows = rows.where(hasLabel('instances.labels', query.label));
        if (query.name !== undefined)
          rows = rows.where('instances.name', 'like', `${escapeLike(query.name)}%`);
        if (query.host !== undefined || query.life !== undefined) {
          const host = query.host === undefined ? null : await findHost(db, query.host);
          const life = query.life?.replaceAll('\0', '');
          rows = rows.innerJoin('vmms', (join) => {
            let on = join.onRef('vmms.id', '=', 'instances.vmm_id');
            if (host) on = on.on('vmms.host_id', '=', host.id);
            if (life !== undefined) on = on.on('vmms.life', '=', life);
            return on;
          });
        }
        const page = pageOf(byName, await rows.execute(), query.limit);
        return { items: await instanceViews(db, page.rows), nextCursor: page.nextCursor };
      }),
    getInstance: ({ path }) =>
      database.run(async (db) => instanceView(db, await findInstance(db, path.instance))),
    startInstance: ({ path }) => instances.start(path.instance),
    stopInstance: ({ path, body }) => instances.stop(path.instance, body.force),
    async deleteInstance({ path }) {
      await instances.delete(path.instance);
      return { deleted: true };
    },
    async getInstanceLog({ path, query }) {
      const { row, hostId } = await database.run(async (db) => {
        const found = await findInstance(db, path.instance);
        const vmm = await db
          .selectFrom('vmms')
          .select('host_id')
          .where('id', '=', found.vmm_id)
          .executeTakeFirst();
        return { row: found, hostId: vmm?.host_id };
      });
      const host = hostId === undefined ? undefined : directory.get(hostId);
      if (!host) {
        throw controlPlaneErrors.error(
          'instance-not-placed',
          `Instance ${row.name} has no VMM now, so there is no host that has its log.`,
        );
      }
      return agents.ask(host, (agent, options) => agent.getInstanceLog(row.id, query.tailBytes, options));
    },
  };
}

/** Names have none of these, but a query may. */
function escapeLike(text: string): string {
  return text.replaceAll('\0', '').replace(/[\\%_]/g, (wild) => `\\${wild}`);
}
