/** Flags of a daemon as commander hands them over, `--log-level` as `logLevel`, by the key of its configuration. */
export function flagsByKey(
  keys: readonly string[],
  flags: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(
    keys.map((key) => [key, flags[key.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())]]),
  );
}
