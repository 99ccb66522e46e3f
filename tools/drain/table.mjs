import { formatDuration } from '@drover/types';

/** @import { DrainedHost } from './drain-guests.mjs' */

/**
 * A row for each guest and a line for all of them.
 *
 * @param {DrainedHost} drained
 */
export function drainTable({ guests, mostAtOnce, durationMs }) {
  const rows = [
    ['guest', 'host', 'downtime', 'longest gap', 'bad pages'],
    ...guests.map(({ name, hosts, downtimeMs, gapMs, corruptPages }) => [
      name,
      hosts.join(' '),
      downtimeMs === null ? '-' : formatDuration(downtimeMs),
      formatDuration(gapMs),
      String(corruptPages),
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
  const total = `${guests.length} guests in ${formatDuration(durationMs)}, at most ${mostAtOnce} at once`;
  return [...lines, total].join('\n');
}
