import { formatDuration } from '@drover/types';
import { spread } from '../statistics.mjs';
import { trend } from './trend.mjs';

/** @import { Spread } from '../statistics.mjs' */
/** @import { Hop } from './pair.mjs' */
/** @import { Trend } from './trend.mjs' */

/** Hops until what a process makes once, compiled code and pools, is there. */
export const SETTLED_AFTER = 5;

const PARTS = /** @type {const} */ ([
  'pauseMs',
  'lastRoundMs',
  'stateSaveMs',
  'loadMs',
  'handoverMs',
  'resumeMs',
  'totalMs',
]);
const PROCESSES = /** @type {const} */ (['a', 'b', 'machine']);
const HOLDINGS = /** @type {const} */ (['descriptors', 'threads', 'residentKiB']);

/**
 * @typedef {object} MachineSummary
 * @property {string} title
 * @property {number} hops
 * @property {number} right After how many of them nothing was wrong.
 * @property {readonly string[]} wrong
 * @property {Spread | null} outsideMs
 * @property {Record<string, Spread | null>} parts As the report says them.
 * @property {Record<string, Record<string, { series: number[], trend: Trend | null }>>} held What agents and machines hold; trends from
 *   hop {@link SETTLED_AFTER} on.
 */

/**
 * @param {string} title
 * @param {readonly Hop[]} hops
 * @returns {MachineSummary}
 */
export function summariseHops(title, hops) {
  const wrong = hops.flatMap(({ hop, wrong }) => (wrong === null ? [] : [`hop ${hop}: ${wrong}`]));
  return {
    title,
    hops: hops.length,
    right: hops.length - wrong.length,
    wrong,
    outsideMs: spread(hops.flatMap(({ outsideMs }) => outsideMs ?? [])),
    parts: Object.fromEntries(
      PARTS.map((part) => [part, spread(hops.map(({ downtime }) => downtime[part]))]),
    ),
    held: Object.fromEntries(
      PROCESSES.map((name) => [
        name,
        Object.fromEntries(
          HOLDINGS.map((what) => {
            const series = hops.map(({ footprints }) => footprints[name][what]);
            return [what, { series, trend: trend(series.slice(SETTLED_AFTER)) }];
          }),
        ),
      ]),
    ),
  };
}

/**
 * @param {MachineSummary} summary
 */
export function describeHops({ title, hops, right, wrong, outsideMs, parts, held }) {
  const lines = [
    `${title}: right after ${right} of ${hops} hops`,
    ...wrong.map((line) => `  ${line}`),
    `  downtime from outside  ${range(outsideMs)}`,
    ...Object.entries(parts).map(([part, values]) => `  ${part.padEnd(21)}  ${range(values)}`),
  ];
  for (const [name, holdings] of Object.entries(held)) {
    for (const [what, { series, trend }] of Object.entries(holdings)) {
      const slope =
        trend === null
          ? 'too few hops for a slope'
          : `${trend.perHop.toFixed(3)} ± ${(2 * trend.error).toFixed(3)} a hop from hop ${SETTLED_AFTER + 1} on`;
      lines.push(
        `  ${`${name} ${what}`.padEnd(21)}  ${Math.min(...series)} – ${Math.max(...series)}, ${slope}`,
      );
    }
  }
  return lines.join('\n');
}

/** @param {Spread | null} values */
function range(values) {
  if (values === null) return '-';
  return `${formatDuration(values.median)} (${formatDuration(values.min)} – ${formatDuration(values.max)})`;
}
