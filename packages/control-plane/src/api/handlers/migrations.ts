import type { ControlPlaneParts } from '../../control-plane.js';
import { findHost } from '../../hosts/host-row.js';
import { findInstance } from '../../instances/instance-row.js';
import type { MigrationRow } from '../../migrations/records.js';
import { migrationViews } from '../../migrations/view.js';
import { type ListKey, pageOf, readCursor } from '../paging.js';
import type { HandlersOf } from './handler.js';

const newestFirst: ListKey<MigrationRow> = {
  list: 'migrations',
  parts: ['time', 'uuid'],
  of: ({ created_at, id }) => [created_at.toISOString(), id],
};

export function migrationHandlers({
  database,
  migrations,
}: ControlPlaneParts): HandlersOf<
  'createMigration' | 'listMigrations' | 'getMigration' | 'cancelMigration' | 'resolveMigration'
> {
  return {
    createMigration: ({ body }) => migrations.create(body),
    listMigrations: ({ query }) =>
      database.run(async (db) => {
        const after = readCursor(newestFirst, query.cursor);
        let rows = db
          .selectFrom('migrations')
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
        if (query.instance !== undefined) {
          rows = rows.where('instance_id', '=', (await findInstance(db, query.instance)).id);
        }
        if (query.host !== undefined) {
          const { id } = await findHost(db, query.host);
          rows = rows.where((where) =>
            where.or([where('source_id', '=', id), where('destination_id', '=', id)]),
          );
        }
        if (query.state !== undefined) rows = rows.where('state', '=', query.state);
        const page = pageOf(newestFirst, await rows.execute(), query.limit);
        return { items: await migrationViews(db, page.rows), nextCursor: page.nextCursor };
      }),
    getMigration: ({ path }) => migrations.view(path.migration),
    cancelMigration: ({ path }) => migrations.cancel(path.migration.toLowerCase()),
    resolveMigration: ({ path, body, actor }) =>
      migrations.resolve(path.migration.toLowerCase(), {
        ...body,
        reason: `${body.reason} (decided by ${actor})`.slice(0, 1024),
      }),
  };
}
