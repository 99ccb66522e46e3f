import { now } from '../store/clock.js';
import type { Database } from '../store/database.js';

/** Hosts that told of everything they have: written down for many at once, since one write for each would be most of what a round costs. */
export class ReachedHosts {
  readonly #database: Database;
  #reached = new Set<string>();

  constructor(database: Database) {
    this.#database = database;
  }

  note(hostId: string): void {
    this.#reached.add(hostId);
  }

  /** Writes those since the last time. They are kept where that fails. */
  async flush(): Promise<void> {
    const reached = this.#reached;
    if (reached.size === 0) return;
    this.#reached = new Set();
    try {
      await this.#database.run((db) =>
        db
          .updateTable('host_watches')
          .set({ seen_at: now, listed_at: now })
          .where('host_id', 'in', [...reached])
          .execute(),
      );
    } catch (thrown) {
      for (const id of reached) this.#reached.add(id);
      throw thrown;
    }
  }
}
