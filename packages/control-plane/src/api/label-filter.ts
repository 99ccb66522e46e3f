/** The `label` of a list's query: `key=value`, or `key` for any value. */
import { type RawBuilder, sql } from 'kysely';

export function hasLabel(column: 'hosts.labels' | 'instances.labels', label: string): RawBuilder<boolean> {
  const equals = label.indexOf('=');
  const labels = sql.ref(column);
  // A NUL is in no label, and no value that PostgreSQL takes.
  const clean = label.replaceAll('\0', '\uFFFD');
  if (equals < 0) return sql<boolean>`${labels} ->> ${clean}::text is not null`;
  const wanted = JSON.stringify({ [clean.slice(0, equals)]: clean.slice(equals + 1) });
  return sql<boolean>`${labels} @> ${wanted}::jsonb`;
}
