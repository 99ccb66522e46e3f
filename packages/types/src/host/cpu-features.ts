/**
 * Processor features by name, as one host offers them and a guest needs them. People and VMMs spell them in more ways than one
 * (`sse4.1`, `sse4-1`, `sse4_1`); they are compared in the spelling of `/proc/cpuinfo`.
 */

/** Names of the same feature that are more than a spelling apart, as QEMU and the vendors' manuals have them. */
const SAME: ReadonlyMap<string, string> = new Map([
  ['cmpxchg8b', 'cx8'],
  ['cmpxchg16b', 'cx16'],
  ['ffxsr', 'fxsr_opt'],
  ['i64', 'lm'],
  ['lzcnt', 'abm'],
  ['pclmuldq', 'pclmulqdq'],
  ['sse3', 'pni'],
  ['tsc_deadline', 'tsc_deadline_timer'],
  ['xd', 'nx'],
]);

/** The features of `needed` that are not in `offered`, in the order and spelling of `needed`, each once. */
export function missingCpuFeatures(needed: readonly string[], offered: readonly string[]): readonly string[] {
  const there = new Set(offered.map(canonical));
  const missing = new Map<string, string>();
  for (const feature of needed) {
    const name = canonical(feature);
    if (!there.has(name) && !missing.has(name)) missing.set(name, feature);
  }
  return [...missing.values()];
}

function canonical(feature: string): string {
  // A dot stands between digits only in the place of a feature without a name, which has one spelling.
  const name = feature.toLowerCase().replaceAll('-', '_');
  const plain = name.startsWith('cpuid_') ? name : name.replaceAll('.', '_');
  return SAME.get(plain) ?? plain;
}
