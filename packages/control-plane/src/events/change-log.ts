/**
 * Changes and the events that tell of them, in one transaction. Ids are taken from one row, last of all, so that they are given out in the
 * order of commits and without a gap: whoever has seen an id has seen all before it. That row serialises the ends of transactions, so
 * what changes much is written in batches.
 *
 * An event names its subject and carries nothing of it: who delivers it reads what is there then. Only a subject that is gone has a body.
 */
import { sql, type Transaction } from 'kysely';
import type { Database } from '../store/database.js';
import type { RetryOptions } from '../store/retry.js';
import type { Schema } from '../store/schema.js';

export type SubjectKind = 'host' | 'vmm' | 'instance' | 'migration' | 'drain';
/** What a `gone` event says. */
export interface GoneBody {
  readonly what: 'host' | 'instance';
  readonly name: string;
}

/** Notes what changed within a transaction; each subject once. */
export interface Changes {
  changed(kind: SubjectKind, id: string): void;
  gone(id: string, body: GoneBody): void;
}

interface Noted {
  readonly kind: SubjectKind | 'gone';
  readonly subject: string;
  readonly body: GoneBody | null;
}

export class ChangeLog {
  readonly #database: Database;
  readonly #committed: () => void;

  /** `committed` is called after each commit that told of something. */
  constructor(database: Database, committed: () => void) {
    this.#database = database;
    this.#committed = committed;
  }

  /** As {@link Database.transaction}; `work` may be called again from its beginning. */
  async transaction<T>(
    work: (transaction: Transaction<Schema>, changes: Changes) => Promise<T>,
    options?: Partial<RetryOptions>,
  ): Promise<T> {
    let told = false;
    const result = await this.#database.transaction(async (transaction) => {
      const noted = new Map<string, Noted>();
      const value = await work(transaction, {
        changed: (kind, subject) => noted.set(`${kind}/${subject}`, { kind, subject, body: null }),
        gone: (subject, body) => noted.set(`gone/${subject}`, { kind: 'gone', subject, body }),
      });
      told = noted.size > 0;
      if (told) await write(transaction, [...noted.values()]);
      return value;
    }, options);
    if (told) this.#committed();
    return result;
  }
}

async function write(transaction: Transaction<Schema>, noted: readonly Noted[]): Promise<void> {
  const { last } = await transaction
    .updateTable('event_counter')
    .set({ last: sql<string>`last + ${noted.length}::int8` })
    .where('id', '=', 1)
    .returning('last')
    .executeTakeFirstOrThrow();
  const first = BigInt(last) - BigInt(noted.length) + 1n;
  const at = new Date();
  await transaction
    .insertInto('events')
    .values(
      noted.map(({ kind, subject, body }, index) => ({
        id: first + BigInt(index),
        at,
        kind,
        subject,
        body: body && JSON.stringify(body),
      })),
    )
    .execute();
}
