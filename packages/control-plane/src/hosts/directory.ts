/** Every host in memory: whom to ask where. Kept current by the event feed, so that it is at most a moment behind the database. */
import type { HostState } from '@drover/protocol';
import type { Host } from '@drover/types';
import type { FeedEvent } from '../events/feed.js';
import type { Database } from '../store/database.js';
import { readDescription } from './host-row.js';

export interface KnownHost {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly state: HostState;
  readonly desired: 'active' | 'draining' | 'maintenance';
  readonly stateSince: Date;
  readonly labels: Readonly<Record<string, string>>;
  readonly labelsBy: string;
  /** As its agent described it last; null before it answered. */
  readonly description: Host | null;
}

export class HostDirectory {
  readonly #database: Database;
  readonly #hosts = new Map<string, KnownHost>();

  constructor(database: Database) {
    this.#database = database;
  }

  get(id: string): KnownHost | undefined {
    return this.#hosts.get(id);
  }

  list(): KnownHost[] {
    return [...this.#hosts.values()];
  }

  async load(): Promise<void> {
    await this.#read(null);
  }

  /** Reads these again: at once where this replica changed them, by their events where another did. */
  async reload(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#read([...new Set(ids)]);
  }

  async heed(events: readonly FeedEvent[]): Promise<void> {
    for (const { kind, subject, body } of events) {
      if (kind === 'gone' && body?.what === 'host') this.#hosts.delete(subject);
    }
    await this.reload(events.filter(({ kind }) => kind === 'host').map(({ subject }) => subject));
  }

  async #read(ids: readonly string[] | null): Promise<void> {
    const rows = await this.#database.run((db) => {
      const query = db.selectFrom('hosts').selectAll();
      return (ids === null ? query : query.where('id', 'in', [...ids])).execute();
    });
    for (const row of rows) {
      this.#hosts.set(row.id, {
        id: row.id,
        name: row.name,
        url: row.url,
        state: row.state as HostState,
        desired: row.desired as KnownHost['desired'],
        stateSince: row.state_since,
        labels: row.labels,
        labelsBy: row.labels_by,
        description: readDescription(row.description),
      });
    }
    for (const id of ids ?? []) {
      if (!rows.some((row) => row.id === id)) this.#hosts.delete(id);
    }
  }
}
