/** Something that must hold for a VMM to start; throws what stands in the way. */
export type Check = () => unknown;

/** Throws the first obstacle. */
export async function passAll(checks: readonly Check[]): Promise<void> {
  for (const check of checks) await check();
}

/** Every obstacle, each once, in order: what one cause blocks in two places is one thing to mend. */
export async function collectObstacles(checks: readonly Check[]): Promise<readonly unknown[]> {
  const found = new Map<string, unknown>();
  for (const check of checks) {
    try {
      await check();
    } catch (thrown) {
      const key = String(thrown);
      if (!found.has(key)) found.set(key, thrown);
    }
  }
  return [...found.values()];
}
