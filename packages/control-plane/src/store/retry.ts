/**
 * What is tried again. A transaction that lost against another one (40001, which CockroachDB answers as a matter of course) begins anew;
 * so does one whose connection was lost, and as nobody can tell whether that one was committed, every piece of work given here must
 * come to the same when it is done twice. When patience ends it is `database-unavailable`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { DroverError } from '@drover/types';
import { controlPlaneErrors } from '../errors.js';

export type DatabaseTrouble = 'conflict' | 'unavailable';

/** serialization_failure, deadlock_detected. */
const CONFLICTS: ReadonlySet<string> = new Set(['40001', '40P01']);
/** admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections, query_canceled (by a timeout), idle_in_transaction_session_timeout. */
const GONE: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03', '53300', '57014', '25P03']);
const NETWORK: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
]);
/** Of pg, which gives these no code. */
const LOST =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error)/;

/** What kind of trouble with the database this is; null for everything else. */
export function databaseTrouble(thrown: unknown): DatabaseTrouble | null {
  if (!(thrown instanceof Error)) return null;
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : '';
  if (CONFLICTS.has(code)) return 'conflict';
  // Class 08 is connection_exception.
  if (GONE.has(code) || NETWORK.has(code) || /^08\w{3}$/.test(code)) return 'unavailable';
  if (LOST.test(thrown.message)) return 'unavailable';
  if (thrown instanceof AggregateError && thrown.errors.some((each) => databaseTrouble(each) !== null)) {
    return 'unavailable';
  }
  return null;
}

export interface RetryOptions {
  /** How long to go on trying, ms. */
  readonly patienceMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** First wait before another try, doubled each time up to the second, ms; each with full jitter. */
const BACKOFF_MS = [10, 1_000] as const;

/** Errors: `database-unavailable`; what `work` throws otherwise. */
export async function retrying<T>(work: () => Promise<T>, { patienceMs, signal }: RetryOptions): Promise<T> {
  const start = performance.now();
  let wait: number = BACKOFF_MS[0];
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      if (thrown instanceof DroverError) throw thrown;
      const trouble = databaseTrouble(thrown);
      if (trouble === null) throw thrown;
      const left = patienceMs - (performance.now() - start);
      if (left <= 0 || signal?.aborted) throw unavailable(thrown);
      await pause(Math.min(left, Math.random() * wait));
      wait = Math.min(wait * 2, BACKOFF_MS[1]);
    }
  }
}

function unavailable(cause: unknown): DroverError {
  const why = cause instanceof Error ? cause.message || String((cause as { code?: string }).code) : '';
  return controlPlaneErrors.error(
    'database-unavailable',
    `The database does not answer (${why}); nothing of the request has happened, try again shortly.`,
    cause,
  );
}
