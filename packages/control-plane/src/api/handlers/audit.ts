import type { Selectable } from 'kysely';
import type { ControlPlaneParts } from '../../control-plane.js';
import type { AuditTable } from '../../store/schema.js';
import { type ListKey, pageOf, readCursor } from '../paging.js';
import type { HandlersOf } from './handler.js';

type Row = Selectable<AuditTable>;

const newestFirst: ListKey<Row> = { list: 'audit', parts: ['number'], of: ({ id }) => [id ?? '0'] };

export function auditHandlers({ database }: ControlPlaneParts): HandlersOf<'listAudit'> {
  return {
    listAudit: ({ query }) =>
      database.run(async (db) => {
        const after = readCursor(newestFirst, query.cursor);
        let rows = db
          .selectFrom('audit')
          .selectAll()
          .orderBy('id', 'desc')
          .limit(query.limit + 1);
        if (after) rows = rows.where('id', '<', after[0] ?? '0');
        if (query.target !== undefined) rows = rows.where('target', '=', query.target.replaceAll('\0', ''));
        const page = pageOf(newestFirst, await rows.execute(), query.limit);
        return {
          items: page.rows.map(({ id, at, actor, action, target, detail, outcome }) => ({
            id: id ?? '0',
            at: at.toISOString(),
            actor,
            action,
            target,
            detail: JSON.parse(detail) as Record<string, unknown>,
            outcome,
          })),
          nextCursor: page.nextCursor,
        };
      }),
  };
}
