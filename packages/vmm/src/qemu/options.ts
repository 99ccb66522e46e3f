/** QEMU's `name,key=value,…` option text. */

/** QEMU reads a comma as the end of a value, and two as one comma. */
export function escapeValue(value: string): string {
  return value.replaceAll(',', ',,');
}

/** `name,key=value,…`; a null value leaves its key out. */
export function joinOptions(name: string, values: Record<string, string | number | null>): string {
  const options = Object.entries(values).flatMap(([key, value]) =>
    value === null ? [] : [`${key}=${escapeValue(String(value))}`],
  );
  return [name, ...options].join(',');
}
