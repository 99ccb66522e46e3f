/** Variables of the command itself, which are about no daemon's configuration. */
const variablesOfTheCommand: ReadonlySet<string> = new Set([
  'DROVER_AGENT',
  'DROVER_CONFIG',
  'DROVER_CONTROL_PLANE',
  'DROVER_NATIVE_DIR',
]);
/** Variables of this repository's own suites and programs. */
const otherPrefixes = ['DROVER_TEST_', 'DROVER_E2E_', 'DROVER_BENCH_', 'DROVER_DEMO_'];

/** `state-dir` → `DROVER_STATE_DIR`. */
export function environmentName(key: string): string {
  return `DROVER_${key.toUpperCase().replaceAll('-', '_')}`;
}

/**
 * What the environment sets of `keys`, and the variables that look like a key and are none. Keys of the other daemon (`otherKeys`) are
 * known: one environment may serve both.
 */
export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  keys: readonly string[],
  otherKeys: readonly string[],
): { readonly values: Readonly<Record<string, string>>; readonly unknown: readonly string[] } {
  const byName = new Map(keys.map((key) => [environmentName(key), key]));
  const others = new Set([...variablesOfTheCommand, ...otherKeys.map(environmentName)]);
  const values: Record<string, string> = {};
  const unknown: string[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('DROVER_') || value === undefined || value === '') continue;
    const key = byName.get(name);
    if (key !== undefined) values[key] = value;
    else if (!others.has(name) && !otherPrefixes.some((prefix) => name.startsWith(prefix)))
      unknown.push(name);
  }
  return { values, unknown: unknown.sort() };
}
