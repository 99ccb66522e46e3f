/** The newest version that both lists hold, which is how every choice between two windows is made; null where there is none. */
export function newestCommon(ours: readonly number[], theirs: readonly number[]): number | null {
  const common = ours.filter((version) => theirs.includes(version));
  return common.length === 0 ? null : Math.max(...common);
}
