import { formatBytes, formatDuration } from '@drover/types';

/** @import { DrainView, HostView } from '@drover/protocol' */
/** @import { Move } from './move.mjs' */

/** @type {readonly (readonly [string, (move: Move) => string])[]} */
const rows = [
  ['total', ({ report }) => formatDuration(report.totalMs)],
  ['rounds', ({ report }) => String(report.rounds.length)],
  ['bytes sent', ({ report }) => formatBytes(report.wireBytes)],
  ['pages sent', ({ report }) => String(report.dataPages)],
  ['zero pages', ({ report }) => String(report.zeroPages)],
  ['device state', ({ report }) => formatBytes(report.stateBytes)],
  ['memory verified', ({ report }) => (report.verified ? 'yes' : 'NO')],
  ['downtime', ({ report }) => formatDuration(report.downtime.totalMs)],
  ['  pause', ({ report }) => formatDuration(report.downtime.pauseMs)],
  ['  last round', ({ report }) => formatDuration(report.downtime.lastRoundMs)],
  ['  state save', ({ report }) => formatDuration(report.downtime.stateSaveMs)],
  ['  verify', ({ report }) => formatDuration(report.downtime.verifyMs)],
  ['  load', ({ report }) => formatDuration(report.downtime.loadMs)],
  ['  handover', ({ report }) => formatDuration(report.downtime.handoverMs)],
  ['  resume', ({ report }) => formatDuration(report.downtime.resumeMs)],
  ['gap of the heart', ({ gapMs }) => formatDuration(gapMs)],
  ['beats missing', ({ missingBeats }) => String(missingBeats)],
  ['bad pages', ({ corruptPages }) => String(corruptPages)],
];

/**
 * The report as a table, one column a move.
 *
 * @param {readonly Move[]} moves
 */
export function reportTable(moves) {
  const lines = [['', ...moves.map(({ from, to }) => `${from} → ${to}`)]];
  for (const [label, value] of rows) lines.push([label, ...moves.map(value)]);
  const widths =
    lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  return lines
    .map((cells) =>
      cells.map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      ),
    )
    .map((cells) => `  ${cells.join('   ')}`)
    .join('\n');
}

/**
 * What a program reads: the last line of `npm run demo -- --json`.
 *
 * @param {object} shown
 * @param {'qemu' | 'machine'} shown.driver
 * @param {string} shown.accelerator
 * @param {readonly Move[]} shown.moves There and back, and away from the host that is drained.
 * @param {readonly DrainView[]} shown.drains
 * @param {readonly HostView[]} shown.hosts The fleet at the end.
 */
export function completedDocument({ driver, accelerator, moves, drains, hosts }) {
  const last = moves.at(-1);
  return {
    result: 'completed',
    driver,
    ramMode: 'external',
    accelerator,
    migrations: moves.map(({ report }) => ({
      totalMs: report.totalMs,
      downtimeMs: report.downtime.totalMs,
      rounds: report.rounds.length,
      bytesSent: report.wireBytes,
      pagesSent: report.dataPages,
      verified: report.verified === true,
    })),
    drains: drains.map(({ hostName, state, total, moved }) => ({ host: hostName, state, total, moved })),
    hosts: hosts.map(({ name, state, vmms }) => ({ name, state, vmms })),
    guest: {
      alive: last?.alive === true,
      corruptPages: Math.max(0, ...moves.map(({ corruptPages }) => corruptPages)),
    },
  };
}

/**
 * The fleet as a table, one line a host.
 *
 * @param {readonly HostView[]} hosts
 */
export function fleetTable(hosts) {
  const lines = hosts.map(
    ({ name, state, vmms, capacity }) =>
      `  ${name.padEnd(4)} ${state.padEnd(12)} ${`${vmms} VMM${vmms === 1 ? '' : 's'}`.padEnd(7)} ` +
      (capacity === null
        ? ''
        : `${formatBytes(capacity.memoryBytesUsed)} of ${formatBytes(capacity.memoryBytes)} given to guests`),
  );
  return lines.map((line) => line.trimEnd()).join('\n');
}

/**
 * Why the demo has not shown what it is there to show; null where it has.
 *
 * @param {readonly Move[]} moves
 */
export function shortcoming(moves) {
  for (const move of moves) {
    const way = `${move.from} → ${move.to}`;
    if (move.report.verified !== true) return `${way}: the memory of both sides was not compared`;
    if (move.corruptPages > 0) return `${way}: the guest found ${move.corruptPages} bad pages`;
    if (move.doubleBeats > 0)
      return `${way}: ${move.doubleBeats} beats came twice, so the guest ran in two places`;
    if (!move.alive) return `${way}: the guest does not beat any more`;
  }
  return null;
}
