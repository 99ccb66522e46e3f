/** Both agents on simulated hosts, while things go wrong. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { MUTATIONS } from '../handover-simulation/mutations.mjs';
import { runSeeds } from '../handover-simulation/run-seeds.mjs';

const SCHEDULES = 5_000;
/** Enough for every mutation; most are noticed within a hundred. */
const MUTATED_SCHEDULES = 2_500;
/** On a machine that others load; alone it takes about a minute. */
const PATIENCE_MS = 1_200_000;
const WORKERS = 2;

const main = fileURLToPath(new URL('../handover-simulation/main.mjs', import.meta.url));
const run = promisify(execFile);

describe('a guest that is moved while agents, links, disks and hosts fail', () => {
  it(`runs once and only once in the end, as it was, and leaves nothing behind, in ${SCHEDULES} schedules (R1, R2, R3, R4, R5, R11, R12)`, {
    timeout: PATIENCE_MS,
    retry: 0,
  }, async () => {
    const violations: string[] = [];
    const outcomes = new Map<string, number>();
    const faults = new Set<string>();
    await runSeeds({ from: 1, seeds: SCHEDULES, workers: WORKERS, mutation: null }, (result) => {
      for (const violation of result.violations) violations.push(`seed ${result.seed}: ${violation}`);
      outcomes.set(result.outcome, (outcomes.get(result.outcome) ?? 0) + 1);
      for (const fault of result.faults) faults.add(fault.replace(/ \(.*/, ''));
      return true;
    });
    expect(violations).toEqual([]);
    // Schedules that never come to a handover prove nothing of it.
    expect(outcomes.get('completed')).toBeGreaterThan(SCHEDULES / 4);
    expect(outcomes.get('failed')).toBeGreaterThan(SCHEDULES / 20);
    expect(faults.size).toBeGreaterThanOrEqual(14);
  });

  it('goes the same way again by the same seed', { timeout: PATIENCE_MS }, async () => {
    const once = () => run(process.execPath, [main, '--seed', '29'], { maxBuffer: 64 << 20 });
    const [first, second] = [await once(), await once()];
    expect(first.stdout).toContain('FAULT');
    expect(second.stdout).toBe(first.stdout);
  });

  it.each(MUTATIONS)(
    'is not safe when $breaks, and that is noticed',
    { timeout: PATIENCE_MS, retry: 0 },
    async ({ name }) => {
      let noticed = false;
      await runSeeds(
        { from: 1, seeds: MUTATED_SCHEDULES, workers: WORKERS, mutation: name },
        ({ violations }) => {
          noticed ||= violations.length > 0;
          return !noticed;
        },
      );
      expect(noticed).toBe(true);
    },
  );
});
