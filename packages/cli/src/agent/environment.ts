import { agentConfigKeys } from './config-schema.js';

/** Variables of other commands, which are not about the agent's configuration. */
const otherVariables = new Set(['DROVER_AGENT', 'DROVER_NATIVE_DIR']);
/** Variables of this repository's own suites and programs. */
const otherPrefixes = ['DROVER_TEST_', 'DROVER_E2E_', 'DROVER_BENCH_', 'DROVER_DEMO_'];

/** `state-dir` → `DROVER_STATE_DIR`. */
export function environmentName(key: string): string {
  return `DROVER_${key.toUpperCase().replaceAll('-', '_')}`;
}

/** What the environment sets, by configuration key, and the variables that look like a key and are none. */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): {
  readonly values: Readonly<Record<string, string>>;
  readonly unknown: readonly string[];
} {
  const keys = new Map(agentConfigKeys.map((key) => [environmentName(key), key]));
  const values: Record<string, string> = {};
  const unknown: string[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('DROVER_') || value === undefined || value === '') continue;
    const key = keys.get(name);
    if (key !== undefined) values[key] = value;
    else if (!otherVariables.has(name) && !otherPrefixes.some((prefix) => name.startsWith(prefix))) {
      unknown.push(name);
    }
  }
  return { values, unknown: unknown.sort() };
}
