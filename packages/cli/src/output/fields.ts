/** Names and values below each other; a field whose value is null is left out. Ends with a newline where it is not empty. */
export function renderFields(
  fields: readonly (readonly [name: string, value: string | null])[],
  width = 12,
): string {
  return fields
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padEnd(width)} ${value}\n`)
    .join('');
}

/** `a=1, b=2`; null where there are none. */
export function formatLabels(labels: Readonly<Record<string, string>>): string | null {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? null : pairs.toSorted().join(', ');
}

/** An error as part of a line. */
export function formatProblem(
  problem: { readonly code: string; readonly message: string } | null,
): string | null {
  return problem === null ? null : `${problem.message} [${problem.code}]`;
}
