/**
 * Makes a PostgreSQL as strict as CockroachDB is: what that one does not know is refused before it is sent, and now and then a
 * transaction is told to begin anew (40001), by the statement or by the commit, as it does under contention.
 */
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult } from 'kysely';

const UNKNOWN: ReadonlyArray<readonly [what: string, pattern: RegExp]> = [
  ['SKIP LOCKED', /\bskip\s+locked\b/i],
  ['an advisory lock', /\bpg_(try_)?advisory/i],
  ['LISTEN or NOTIFY', /^\s*(listen|unlisten|notify)\b|\bpg_notify\b/i],
  ['a deferrable constraint', /\bdeferrable\b|\bset\s+constraints\b/i],
  ['a statement that writes two tables', /\bwith\b[\s\S]*\bas\s*\(\s*(insert|update|delete)\b/i],
  ['an index that includes columns', /\bcreate\s+index\b[\s\S]*\binclude\s*\(/i],
  ['a table lock', /^\s*lock\s+table\b/i],
  ['a LISTEN-like extension', /\bcreate\s+extension\b/i],
];

/** The part of transactions, and of statements outside of one, that is answered 40001. */
const CONFLICTS = 0.2;

export function likeCockroach(dialect: Dialect): Dialect {
  return {
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createDriver: () => strict(dialect.createDriver()),
  };
}

function strict(driver: Driver): Driver {
  // The same sequence in every run (a linear congruence, numbers of Numerical Recipes).
  let seed = 1;
  const chance = () => {
    seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return seed / 2 ** 32;
  };
  /** In which of its statements the next piece of work fails; null for none. */
  const fate = (): number | null => (chance() < CONFLICTS ? Math.floor(chance() * 4) : null);
  const made = new WeakMap<DatabaseConnection, StrictConnection>();
  const own = (connection: DatabaseConnection) => connection as StrictConnection;
  return {
    init: () => driver.init(),
    async acquireConnection() {
      const bare = await driver.acquireConnection();
      const connection = made.get(bare) ?? new StrictConnection(bare, fate);
      made.set(bare, connection);
      return connection;
    },
    releaseConnection: (connection) => driver.releaseConnection(own(connection).bare),
    async beginTransaction(connection, settings) {
      own(connection).begin();
      await driver.beginTransaction(own(connection).bare, { ...settings, isolationLevel: 'serializable' });
    },
    async commitTransaction(connection) {
      // One that was to fail in a later statement than it has fails here.
      if (own(connection).end()) throw conflict('commit');
      await driver.commitTransaction(own(connection).bare);
    },
    async rollbackTransaction(connection) {
      own(connection).end();
      await driver.rollbackTransaction(own(connection).bare);
    },
    destroy: () => driver.destroy(),
  };
}

class StrictConnection implements DatabaseConnection {
  readonly bare: DatabaseConnection;
  readonly #fate: () => number | null;
  #inside = false;
  #left: number | null = null;

  constructor(bare: DatabaseConnection, fate: () => number | null) {
    this.bare = bare;
    this.#fate = fate;
  }

  begin(): void {
    this.#inside = true;
    this.#left = this.#fate();
  }

  /** True where the transaction was still to fail. */
  end(): boolean {
    const due = this.#left !== null;
    this.#inside = false;
    this.#left = null;
    return due;
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    for (const [what, pattern] of UNKNOWN) {
      if (pattern.test(query.sql)) throw new Error(`CockroachDB does not know ${what}: ${query.sql}`);
    }
    if (this.#inside ? this.#left !== null && this.#left-- === 0 : this.#fate() !== null) {
      this.#left = null;
      throw conflict('statement');
    }
    return this.bare.executeQuery<Row>(query);
  }

  streamQuery<Row>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<Row>> {
    return this.bare.streamQuery<Row>(query, chunkSize);
  }
}

function conflict(where: string): Error {
  return Object.assign(new Error(`restart transaction: injected at the ${where}`), { code: '40001' });
}
