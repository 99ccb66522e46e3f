/** `1234567` → `1,234,567`. Sizes, bandwidths and durations are in `@drover/types`. */
export function formatCount(count: number): string {
  return Math.round(count)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}
