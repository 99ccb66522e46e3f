/**
 * The pool of connections to PostgreSQL or CockroachDB. Every wait has an end; and a connection on which something of the transport
 * went wrong is closed instead of being handed out again, since an answer that was given up may still come on it.
 */
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import pg from 'pg';
import type { Logger } from 'pino';
import { databaseTrouble } from './retry.js';

/** Longest wait for a connection, ms. */
const CONNECT_TIMEOUT_MS = 3_000;
/** Longest statement, ms: by the server, and by us where the server does not answer at all. */
const STATEMENT_TIMEOUT_MS = 8_000;
const QUERY_TIMEOUT_MS = 10_000;

export interface PoolOptions {
  readonly url: string;
  readonly connections: number;
  readonly logger: Logger;
}

export function openPool({ url, connections, logger }: PoolOptions): PostgresPool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'drover-control-plane',
    max: connections,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    idle_in_transaction_session_timeout: 2 * QUERY_TIMEOUT_MS,
    keepAlive: true,
  });
  // Idle connections that the server closed: the pool has already let go of them.
  pool.on('error', (err) => logger.debug({ err }, 'an idle connection to the database was lost'));
  return {
    async connect() {
      return guard(await pool.connect());
    },
    end: () => pool.end(),
  };
}

function guard(client: pg.PoolClient): PostgresPoolClient {
  let broken = false;
  // While it is checked out its errors are its owner's; the query that is under way rejects with the same.
  const onError = () => {
    broken = true;
  };
  client.on('error', onError);
  // Without cursors, which nothing here uses.
  const query = async (text: string, parameters: readonly unknown[]) => {
    try {
      return await client.query(text, [...parameters]);
    } catch (thrown) {
      if (databaseTrouble(thrown) === 'unavailable') broken = true;
      throw thrown;
    }
  };
  return {
    query: query as unknown as PostgresPoolClient['query'],
    release() {
      client.removeListener('error', onError);
      client.release(broken);
    },
  };
}
