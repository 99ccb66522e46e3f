/** The database's clock: the one that all replicas share. Leases and due times are told by it alone. */
import { type RawBuilder, sql } from 'kysely';

export const now: RawBuilder<Date> = sql<Date>`now()`;

export function fromNow(ms: number): RawBuilder<Date> {
  return sql<Date>`now() + ${`${Math.round(ms)} milliseconds`}::interval`;
}

export function beforeNow(ms: number): RawBuilder<Date> {
  return sql<Date>`now() - ${`${Math.round(ms)} milliseconds`}::interval`;
}
