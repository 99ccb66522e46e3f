import { sql } from 'kysely';
import type { ControlPlaneParts } from '../../control-plane.js';
import { controlPlaneErrors } from '../../errors.js';
import { findHost, type HostRow } from '../../hosts/host-row.js';
import { hostViews } from '../../hosts/host-view.js';
import type { Queries } from '../../store/database.js';
import { isUuid } from '../../store/uuid.js';
import { hasLabel } from '../label-filter.js';
import { type ListKey, pageOf, readCursor } from '../paging.js';
import type { HandlersOf } from './handler.js';

const byName: ListKey<HostRow> = { list: 'hosts', parts: ['text'], of: ({ name }) => [name] };

export function hostHandlers(
  parts: ControlPlaneParts,
): HandlersOf<'registerHost' | 'listHosts' | 'getHost' | 'labelHost' | 'markHostLost' | 'forgetHost'> {
  const { database, changeLog, directory, registrar, loss, agents } = parts;
  return {
    async registerHost({ path, body }) {
      if (!isUuid(path.host)) {
        throw controlPlaneErrors.error('request-invalid', 'A host registers under its id, which is a UUID.');
      }
      return (await registrar.register(path.host.toLowerCase(), body)).registration;
    },
    listHosts: ({ query }) =>
      database.run(async (db) => {
        const after = readCursor(byName, query.cursor);
        let rows = db
          .selectFrom('hosts')
          .selectAll('hosts')
          .orderBy('name')
          .limit(query.limit + 1);
        if (after) rows = rows.where('name', '>', after[0] ?? '');
        if (query.state) rows = rows.where('state', '=', query.state);
        if (query.label !== undefined) rows = rows.where(hasLabel('hosts.labels', query.label));
        const page = pageOf(byName, await rows.execute(), query.limit);
        return { items: await hostViews(db, page.rows), nextCursor: page.nextCursor };
      }),
    getHost: ({ path }) => database.run(async (db) => hostView(db, await findHost(db, path.host))),
    async labelHost({ path, body }) {
      const id = await changeLog.transaction(async (transaction, changes) => {
        const host = await findHost(transaction, path.host);
        await transaction
          .updateTable('hosts')
          .set({
            labels: JSON.stringify(body.labels),
            labels_by: 'operator',
            generation: sql<string>`generation + 1`,
          })
          .where('id', '=', host.id)
          .execute();
        changes.changed('host', host.id);
        return host.id;
      });
      await directory.reload([id]);
      return database.run(async (db) => hostView(db, await findHost(db, id)));
    },
    async markHostLost({ path, body, actor }) {
      const host = await database.run((db) => findHost(db, path.host));
      if (body.confirm !== host.name) {
        throw controlPlaneErrors.error(
          'host-not-confirmed',
          `Declaring host ${host.name} lost cannot be taken back; repeat its name in confirm.`,
        );
      }
      await loss.declare(host.id, `${body.reason} (declared by ${actor})`);
      return database.run(async (db) => hostView(db, await findHost(db, host.id)));
    },
    async forgetHost({ path }) {
      const id = await changeLog.transaction(async (transaction, changes) => {
        const host = await findHost(transaction, path.host);
        await refuseUnlessEmpty(transaction, host);
        await transaction.deleteFrom('hosts').where('id', '=', host.id).execute();
        await transaction.deleteFrom('host_watches').where('host_id', '=', host.id).execute();
        changes.gone(host.id, { what: 'host', name: host.name });
        return host.id;
      });
      await directory.reload([id]);
      agents.forget(id);
      return { deleted: true };
    },
  };
}

async function hostView(db: Queries, row: HostRow) {
  const [view] = await hostViews(db, [row]);
  if (!view) throw new Error('one row gives one view');
  return view;
}

async function refuseUnlessEmpty(db: Queries, host: HostRow): Promise<void> {
  const vmm = await db
    .selectFrom('vmms')
    .select('id')
    .where('host_id', '=', host.id)
    .where('ended_at', 'is', null)
    .limit(1)
    .executeTakeFirst();
  const promise = await db
    .selectFrom('reservations')
    .select('id')
    .where('host_id', '=', host.id)
    .limit(1)
    .executeTakeFirst();
  if (!vmm && !promise) return;
  throw controlPlaneErrors.error(
    'host-not-empty',
    `Host ${host.name} still has ${vmm ? 'VMMs' : 'room that is promised'}; drain it first, or declare it lost.`,
  );
}
