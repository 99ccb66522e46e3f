/**
 * @typedef {object} Spread
 * @property {number} median
 * @property {number} min
 * @property {number} max
 */

/**
 * Median and range. Null where there is nothing: a method whose guests were all lost has no downtime, not one of 0.
 *
 * @param {readonly number[]} values
 * @returns {Spread | null}
 */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const [min] = sorted;
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) return null;
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? min;
  const lower = sorted[Math.ceil(middle) - 1] ?? min;
  return { median: (lower + upper) / 2, min, max };
}

/**
 * The methods in the order of one round: each round begins with another one, so that a drift of the machine hits all alike.
 *
 * @template T
 * @param {readonly T[]} methods
 * @param {number} round
 * @returns {T[]}
 */
export function rotated(methods, round) {
  const start = methods.length === 0 ? 0 : round % methods.length;
  return [...methods.slice(start), ...methods.slice(0, start)];
}
