/**
 * Which VMM is on which host, and the newest generation stored of it: in memory, so that a ring is answered whatever the database does.
 * VMMs that have ended are left out. A VMM that another replica came to know is looked up when somebody rings for it.
 */
import type { Database } from '../store/database.js';

export interface IndexedVmm {
  readonly hostId: string;
  readonly generation: bigint;
}

const PAGE = 5_000;

export class VmmIndex {
  readonly #vmms = new Map<string, IndexedVmm>();
  /** One string for all VMMs of a host. */
  readonly #hosts = new Map<string, string>();

  get size(): number {
    return this.#vmms.size;
  }

  get(id: string): IndexedVmm | undefined {
    return this.#vmms.get(id);
  }

  /** Keeps the newer of what is known and what is given. */
  learn(id: string, hostId: string, generation: bigint): void {
    const known = this.#vmms.get(id);
    if (known && known.hostId === hostId && known.generation >= generation) return;
    const shared = this.#hosts.get(hostId) ?? hostId;
    this.#hosts.set(hostId, shared);
    this.#vmms.set(id, { hostId: shared, generation });
  }

  forget(id: string): void {
    this.#vmms.delete(id);
  }

  async load(database: Database): Promise<void> {
    let after = '00000000-0000-0000-0000-000000000000';
    for (;;) {
      const rows = await database.run((db) =>
        db
          .selectFrom('vmms')
          .select(['id', 'host_id', 'generation'])
          .where('ended_at', 'is', null)
          .where('id', '>', after)
          .orderBy('id')
          .limit(PAGE)
          .execute(),
      );
      for (const { id, host_id, generation } of rows) this.learn(id, host_id, BigInt(generation));
      const last = rows.at(-1);
      if (!last || rows.length < PAGE) return;
      after = last.id;
    }
  }

  /** Looks these up; returns those that there are. */
  async lookUp(database: Database, ids: readonly string[]): Promise<string[]> {
    const rows = await database.run((db) =>
      db
        .selectFrom('vmms')
        .select(['id', 'host_id', 'generation'])
        .where('ended_at', 'is', null)
        .where('id', 'in', [...ids])
        .execute(),
    );
    for (const { id, host_id, generation } of rows) this.learn(id, host_id, BigInt(generation));
    return rows.map(({ id }) => id);
  }
}
