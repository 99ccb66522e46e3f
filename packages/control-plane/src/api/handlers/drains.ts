import type { ControlPlaneParts } from '../../control-plane.js';
import type { DrainRow } from '../../drains/records.js';
import { drainViews } from '../../drains/view.js';
import { planFleet } from '../../fleet/plan.js';
import { readGuests } from '../../fleet/read-guests.js';
import { findHost } from '../../hosts/host-row.js';
import { hostViews } from '../../hosts/host-view.js';
import { type ListKey, pageOf, readCursor } from '../paging.js';
import type { HandlersOf } from './handler.js';

const newestFirst: ListKey<DrainRow> = {
  list: 'drains',
  parts: ['time', 'uuid'],
  of: ({ created_at, id }) => [created_at.toISOString(), id],
};

/** How long a plan may take, ms. */
const PLAN_MS = 60_000;

export function drainHandlers({
  database,
  directory,
  drains,
  fleet,
  shutdown,
}: ControlPlaneParts): HandlersOf<'drainHost' | 'undrainHost' | 'listDrains' | 'getDrain' | 'planFleet'> {
  return {
    async drainHost({ path, body }) {
      const drain = await drains.drain(path.host, body);
      await directory.reload([drain.hostId]);
      return drain;
    },
    async undrainHost({ path }) {
      const id = await drains.undrain(path.host);
      await directory.reload([id]);
      const [view] = await database.run(async (db) => hostViews(db, [await findHost(db, id)]));
      if (!view) throw new Error('one row gives one view');
      return view;
    },
    listDrains: ({ query }) =>
      database.run(async (db) => {
        const after = readCursor(newestFirst, query.cursor);
        let rows = db
          .selectFrom('drains')
          .selectAll()
          .orderBy('created_at', 'desc')
          .orderBy('id', 'desc')
          .limit(query.limit + 1);
        if (after) {
          const [at = '', id = ''] = after;
          // As for VMMs: the bound alone is what the index begins at.
          rows = rows
            .where('created_at', '<=', new Date(at))
            .where((where) => where.or([where('created_at', '<', new Date(at)), where('id', '<', id)]));
        }
        const page = pageOf(newestFirst, await rows.execute(), query.limit);
        return { items: await drainViews(db, page.rows), nextCursor: page.nextCursor };
      }),
    getDrain: ({ path }) => drains.view(path.drain),
    async planFleet({ body }) {
      const hosts = await fleet.read(database);
      const { guests, judge } = await readGuests(database);
      const signal = AbortSignal.any([shutdown, AbortSignal.timeout(PLAN_MS)]);
      return planFleet(hosts, guests, body, judge, signal);
    },
  };
}
