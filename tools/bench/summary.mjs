import { formatDuration } from '@drover/types';
import { spread } from './statistics.mjs';

/** @import { Measurement } from './measurement.mjs' */
/** @import { Spread } from './statistics.mjs' */

/**
 * One method in one series.
 *
 * @typedef {object} Summary
 * @property {string} method
 * @property {string} title
 * @property {number} runs
 * @property {number} alive Guests that were alive and right afterwards.
 * @property {readonly string[]} lost Why the others were lost.
 * @property {Spread | null} downtimeMs From outside.
 * @property {Spread | null} ownDowntimeMs
 * @property {Spread | null} totalMs
 * @property {Spread | null} bulkMs
 * @property {Spread | null} bulkGbitPerSecond Of page data.
 */

/**
 * Times of lost guests are left out: a guest that does not run has no downtime. The bulk pass is told of idle guests alone: under load
 * QEMU does not say where its first pass ended.
 *
 * @param {{ name: string, title: string }} method
 * @param {'loaded' | 'idle'} series
 * @param {readonly Measurement[]} measurements
 * @returns {Summary}
 */
export function summarise(method, series, measurements) {
  const alive = measurements.filter(({ lost }) => lost === null);
  const bulk = alive.flatMap(({ bulkMs, dataBytes }) =>
    series === 'loaded' || bulkMs === null || bulkMs <= 0 ? [] : [{ bulkMs, dataBytes }],
  );
  return {
    method: method.name,
    title: method.title,
    runs: measurements.length,
    alive: alive.length,
    lost: measurements.flatMap(({ lost }) => (lost === null ? [] : [lost])),
    downtimeMs: spread(alive.flatMap(({ downtimeMs }) => downtimeMs ?? [])),
    ownDowntimeMs: spread(alive.flatMap(({ ownDowntimeMs }) => ownDowntimeMs ?? [])),
    totalMs: spread(alive.map(({ totalMs }) => totalMs)),
    bulkMs: spread(bulk.map(({ bulkMs }) => bulkMs)),
    bulkGbitPerSecond: spread(bulk.map(({ bulkMs, dataBytes }) => (dataBytes * 8) / bulkMs / 1e6)),
  };
}

/** @type {readonly (readonly [string, (summary: Summary) => string])[]} */
const columns = [
  ['', ({ title }) => title],
  ['alive', ({ alive, runs }) => `${alive} of ${runs}`],
  ['downtime', ({ downtimeMs }) => range(downtimeMs, formatDuration)],
  ['own figure', ({ ownDowntimeMs }) => range(ownDowntimeMs, formatDuration)],
  ['bulk pass', ({ bulkMs }) => range(bulkMs, formatDuration)],
  ['Gbit/s of data', ({ bulkGbitPerSecond }) => range(bulkGbitPerSecond, (value) => value.toFixed(2))],
  ['total', ({ totalMs }) => range(totalMs, formatDuration)],
];

/**
 * Medians with ranges, one line a method, and why guests were lost.
 *
 * @param {readonly Summary[]} summaries
 */
export function summaryTable(summaries) {
  const lines = [
    columns.map(([title]) => title),
    ...summaries.map((summary) => columns.map(([, value]) => value(summary))),
  ];
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const table = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const losses = summaries
    .filter(({ lost }) => lost.length > 0)
    .map(({ title, lost }) => `${title}, lost: ${[...new Set(lost)].join('; ')}`);
  return [...table, ...losses].map((line) => `  ${line}`).join('\n');
}

/**
 * @param {Spread | null} values
 * @param {(value: number) => string} format
 */
function range(values, format) {
  return values === null ? '-' : `${format(values.median)} (${format(values.min)} – ${format(values.max)})`;
}
