/** The monotonic clock, in ms with fractions. */
export function nowMs() {
  return Number(process.hrtime.bigint()) / 1e6;
}
