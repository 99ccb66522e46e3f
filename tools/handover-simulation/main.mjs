/**
 * Moves a guest between two simulated hosts, again and again, while things go wrong, and judges every end.
 *
 *   npm run simulate -- --seeds N [--from S] [--workers W] [--mutation NAME]   many schedules
 *   npm run simulate -- --seed S [--mutation NAME]                             one, with all that happened in it
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { loadCode } from './load-code.mjs';
import { findMutation } from './mutations.mjs';
import { runSeeds } from './run-seeds.mjs';

/** Violations that are told in full. */
const TOLD = 10;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    workers: { type: 'string', default: String(availableParallelism()) },
    mutation: { type: 'string' },
  },
});
const mutation = values.mutation ?? null;
if (mutation !== null) findMutation(mutation);
process.exitCode = values.seed === undefined ? await many() : await one(Number(values.seed));

/** @param {number} seed */
async function one(seed) {
  const code = await loadCode(mutation === null ? null : findMutation(mutation));
  const { runSchedule } = await import('./schedule.mjs');
  const result = await runSchedule(code, seed, true);
  console.log(result.trace.join('\n'));
  tell(result);
  console.log(`seed ${seed}: ${result.outcome}, ${result.violations.length} violations`);
  return result.violations.length === 0 ? 0 : 1;
}

async function many() {
  const request = {
    from: Number(values.from),
    seeds: Number(values.seeds),
    workers: Number(values.workers),
    mutation,
  };
  const began = Date.now();
  /** @type {Map<string, number>} */
  const outcomes = new Map();
  /** @type {Map<string, number>} */
  const faults = new Map();
  let [schedules, steps, wrong] = [0, 0, 0];
  await runSeeds(request, (result) => {
    schedules += 1;
    steps += result.steps;
    count(outcomes, result.outcome);
    for (const fault of result.faults) count(faults, fault.replace(/ \(.*/, ''));
    if (result.violations.length === 0) return true;
    wrong += 1;
    if (wrong <= TOLD) tell(result);
    return true;
  });
  console.log(
    `${schedules} schedules, seeds ${request.from} to ${request.from + request.seeds - 1}, ${steps} events, ${((Date.now() - began) / 1000).toFixed(1)} s`,
  );
  console.log(`migrations: ${say(outcomes)}`);
  console.log(`faults: ${say(faults)}`);
  console.log(`${wrong} schedules with violations`);
  return wrong === 0 ? 0 : 1;
}

/** @param {import('./run-seeds.mjs').Outcome} result */
function tell({ seed, faults, violations }) {
  if (violations.length === 0) return;
  console.log(
    `VIOLATION, seed ${seed}; to see it again: npm run simulate -- --seed ${seed}${mutation ? ` --mutation ${mutation}` : ''}`,
  );
  for (const fault of faults) console.log(`  fault: ${fault}`);
  for (const violation of violations) console.log(`  ${violation}`);
}

/** @param {Map<string, number>} counts @param {string} what */
function count(counts, what) {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

/** @param {Map<string, number>} counts */
function say(counts) {
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([what, times]) => `${what} ${times}`)
    .join(', ');
}
