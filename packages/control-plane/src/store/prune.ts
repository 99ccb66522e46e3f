/** Removes what has ended and was kept for long enough: a part at a time, so that no statement holds up others. */
import { beforeNow } from './clock.js';
import type { Database } from './database.js';

const DAY_MS = 86_400_000;
const PART = 1_000;

export interface KeepOptions {
  readonly eventsMs: number;
  readonly vmmDays: number;
  readonly auditDays: number;
}

export async function prune(database: Database, keep: KeepOptions): Promise<void> {
  await parts(() =>
    database.run((db) =>
      db
        .deleteFrom('events')
        .where('id', 'in', (where) =>
          where.selectFrom('events').select('id').where('at', '<', beforeNow(keep.eventsMs)).limit(PART),
        )
        .returning('id')
        .execute(),
    ),
  );
  await parts(() =>
    database.run((db) =>
      db
        .deleteFrom('vmms')
        .where('id', 'in', (where) =>
          where
            .selectFrom('vmms')
            .select('id')
            .where('ended_at', '<', beforeNow(keep.vmmDays * DAY_MS))
            // One that an instance still points to says where it was last.
            .where('id', 'not in', (inner) =>
              inner
                .selectFrom('instances')
                .select('vmm_id')
                .where('vmm_id', 'is not', null)
                .$castTo<{ vmm_id: string }>(),
            )
            .limit(PART),
        )
        .returning('id')
        .execute(),
    ),
  );
  await parts(() =>
    database.run((db) =>
      db
        .deleteFrom('audit')
        .where('id', 'in', (where) =>
          where
            .selectFrom('audit')
            .select('id')
            .where('at', '<', beforeNow(keep.auditDays * DAY_MS))
            .limit(PART),
        )
        .returning('id')
        .execute(),
    ),
  );
}

async function parts(remove: () => Promise<readonly unknown[]>): Promise<void> {
  while ((await remove()).length === PART);
}
