/**
 * Follows the events of all replicas, in order and without a gap, for everybody in this one: its event streams, and what it keeps in
 * memory. It is woken by its own replica's commits and looks by itself for those of others.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Database } from '../store/database.js';
import type { GoneBody, SubjectKind } from './change-log.js';

export interface FeedEvent {
  readonly id: bigint;
  readonly at: Date;
  readonly kind: SubjectKind | 'gone';
  readonly subject: string;
  readonly body: GoneBody | null;
}

/** Called with each batch, one after the other. */
export type FeedReader = (events: readonly FeedEvent[]) => void | Promise<void>;

/** Between looks for the events of other replicas, ms. */
const PERIOD_MS = 200;
const BATCH = 500;

export class EventFeed {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #readers = new Set<FeedReader>();
  readonly #stopping = new AbortController();
  #cursor = 0n;
  #wake: AbortController | null = null;
  #poked = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  /** Id of the last event that was handed to the readers. */
  get cursor(): bigint {
    return this.#cursor;
  }

  /** Readers are called with every event after this moment's last. */
  read(reader: FeedReader): void {
    this.#readers.add(reader);
  }

  /** Begins behind the last event there is. */
  async start(): Promise<void> {
    this.#cursor = await this.#last();
    this.#loop = this.#follow();
  }

  /** There is something new: looks at once. */
  poke(): void {
    this.#poked = true;
    this.#wake?.abort();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.poke();
    await this.#loop;
  }

  /** Events after `id`, oldest first; for those who come back. */
  async after(id: bigint, limit: number): Promise<FeedEvent[]> {
    const rows = await this.#database.run((db) =>
      db.selectFrom('events').selectAll().where('id', '>', String(id)).orderBy('id').limit(limit).execute(),
    );
    return rows.map(({ id, at, kind, subject, body }) => ({
      id: BigInt(id),
      at,
      kind: kind as FeedEvent['kind'],
      subject,
      body: body === null ? null : (JSON.parse(body) as GoneBody),
    }));
  }

  async #last(): Promise<bigint> {
    const row = await this.#database.run((db) =>
      db.selectFrom('event_counter').select('last').where('id', '=', 1).executeTakeFirstOrThrow(),
    );
    return BigInt(row.last);
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let full = false;
      try {
        this.#poked = false;
        const events = await this.after(this.#cursor, BATCH);
        full = events.length === BATCH;
        const last = events.at(-1);
        if (last) {
          for (const reader of this.#readers) await reader(events);
          this.#cursor = last.id;
        }
      } catch (err) {
        this.#logger.warn({ err }, 'the events cannot be read now; they are read when the database is back');
        await pause(1_000, undefined, { signal }).catch(() => undefined);
      }
      if (full || this.#poked || signal.aborted) continue;
      this.#wake = new AbortController();
      await pause(PERIOD_MS, undefined, { signal: this.#wake.signal }).catch(() => undefined);
      this.#wake = null;
    }
  }
}
