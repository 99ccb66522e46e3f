/**
 * How a series goes on: a straight line by least squares.
 *
 * @typedef {object} Trend
 * @property {number} perHop
 * @property {number} error Standard error of `perHop`: a slope of less than two of it is none that could be seen.
 * @property {number} first The line's value at the first point.
 * @property {number} last
 */

/**
 * Null of fewer than three points, which say nothing about a slope.
 *
 * @param {readonly number[]} values One a hop.
 * @returns {Trend | null}
 */
export function trend(values) {
  const count = values.length;
  if (count < 3) return null;
  const middle = (count - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  let spread = 0;
  let together = 0;
  for (const [at, value] of values.entries()) {
    spread += (at - middle) ** 2;
    together += (at - middle) * (value - mean);
  }
  const perHop = together / spread;
  const first = mean - perHop * middle;
  const squares = values.reduce((sum, value, at) => sum + (value - first - perHop * at) ** 2, 0);
  const error = Math.sqrt(squares / (count - 2) / spread);
  return { perHop, error, first, last: first + perHop * (count - 1) };
}
