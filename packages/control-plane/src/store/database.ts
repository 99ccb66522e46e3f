/**
 * The one way to the database. `pglite:DIR` is PostgreSQL inside this process, for development and a node of one; `postgres://…` is
 * PostgreSQL or CockroachDB, shared by all replicas. The SQL is the same: no SKIP LOCKED, no advisory locks, no LISTEN/NOTIFY, no
 * deferrable constraints, no statement that writes two tables.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { type Dialect, Kysely, PostgresDialect, type Transaction } from 'kysely';
import type { Logger } from 'pino';
import { controlPlaneErrors } from '../errors.js';
import { lockFile } from './lock-file.js';
import { pgliteDialect } from './pglite-dialect.js';
import { openPool } from './postgres-pool.js';
import { type RetryOptions, retrying } from './retry.js';
import type { Schema } from './schema.js';

/** What is said at the start with the embedded database. */
export const PGLITE_DURABILITY =
  'The embedded database (PGlite) does not sync to disk: it survives the end of this process, not a crash of the machine or a loss of power. For anything that must last, use --database postgres://…';

/** Of INT8 in PostgreSQL's catalogue. */
const INT8_OID = 20;
/** How long a piece of work goes on trying while the database is away, ms. */
const PATIENCE_MS = 2_000;

export type Queries = Kysely<Schema> | Transaction<Schema>;

export interface DatabaseOptions {
  /** `pglite:DIR`, `pglite:memory` or `postgres://…`. */
  readonly url: string;
  readonly logger: Logger;
  /** Connections at most, to PostgreSQL. */
  readonly connections?: number;
  /** Stands between Kysely and the database; tests take it to be stricter than the database is. */
  readonly wrap?: ((dialect: Dialect) => Dialect) | undefined;
}

export class Database {
  readonly kind: 'pglite' | 'postgres';
  readonly #db: Kysely<Schema>;
  readonly #release: () => Promise<void>;

  private constructor(kind: 'pglite' | 'postgres', db: Kysely<Schema>, release: () => Promise<void>) {
    this.kind = kind;
    this.#db = db;
    this.#release = release;
  }

  /** Errors: `database-url-invalid`, `database-directory-in-use`, `database-directory-unusable`. PostgreSQL is not asked yet. */
  static async open({
    url,
    logger,
    connections = 10,
    wrap = (dialect) => dialect,
  }: DatabaseOptions): Promise<Database> {
    if (url.startsWith('pglite:')) {
      const { client, release } = await openPglite(url.slice('pglite:'.length));
      return new Database('pglite', new Kysely<Schema>({ dialect: wrap(pgliteDialect(client)) }), release);
    }
    if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) {
      const dialect = new PostgresDialect({ pool: openPool({ url, connections, logger }) });
      return new Database('postgres', new Kysely<Schema>({ dialect: wrap(dialect) }), async () => undefined);
    }
    throw controlPlaneErrors.error(
      'database-url-invalid',
      'The database is neither pglite:DIR nor postgres://…; give one of the two.',
    );
  }

  /** Without retries and without a transaction: for one statement whose failure the caller sees to. */
  get queries(): Kysely<Schema> {
    return this.#db;
  }

  /** Statements that each stand for themselves. Errors: `database-unavailable`; see {@link retrying}. */
  run<T>(work: (db: Queries) => Promise<T>, options: Partial<RetryOptions> = {}): Promise<T> {
    return retrying(() => work(this.#db), { patienceMs: PATIENCE_MS, ...options });
  }

  /**
   * All or nothing; `work` may be called again from its beginning. Within it nothing but its transaction may be used: PGlite has one
   * connection. Errors: as {@link run}.
   */
  transaction<T>(
    work: (transaction: Transaction<Schema>) => Promise<T>,
    options: Partial<RetryOptions> = {},
  ): Promise<T> {
    return retrying(() => this.#db.transaction().execute(work), { patienceMs: PATIENCE_MS, ...options });
  }

  async close(): Promise<void> {
    await this.#db.destroy();
    await this.#release();
  }
}

async function openPglite(directory: string): Promise<{ client: PGlite; release: () => Promise<void> }> {
  // As pg does: a number could not hold it.
  const parsers = { [INT8_OID]: (text: string) => text };
  if (directory === 'memory') return { client: new PGlite({ parsers }), release: async () => undefined };
  if (directory === '') {
    throw controlPlaneErrors.error('database-url-invalid', 'pglite: lacks its directory; write pglite:DIR.');
  }
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw unusable(directory, cause);
  }
  const release = await lockFile(join(directory, 'lock'));
  try {
    const client = await PGlite.create({ dataDir: join(directory, 'data'), parsers });
    return { client, release };
  } catch (cause) {
    await release();
    throw unusable(directory, cause);
  }
}

function unusable(directory: string, cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : String(cause);
  return controlPlaneErrors.error(
    'database-directory-unusable',
    `The directory ${directory} cannot hold the embedded database (${why}); give one that this user may write.`,
    cause,
  );
}
