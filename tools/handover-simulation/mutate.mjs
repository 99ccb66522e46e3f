/**
 * Breaks one rule at a time, in the model and in the code, and shows what notices.
 *
 *   npm run mutate [-- --seeds N] [--workers W]
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { MODEL_MUTATIONS } from '../handover-model/mutations.mjs';
import { searchModel } from '../handover-model/search.mjs';
import { MUTATIONS } from './mutations.mjs';
import { runSeeds } from './run-seeds.mjs';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '4000' },
    workers: { type: 'string', default: String(availableParallelism()) },
  },
});

let missed = 0;
for (const { number, name, breaks } of MODEL_MUTATIONS) {
  const { states, violated } = await searchModel(number);
  if (violated === null) missed += 1;
  tell('model', name, `${states} states`, breaks, violated && shortened(violated));
}
for (const { name, breaks } of MUTATIONS) {
  let schedules = 0;
  /** @type {import('./run-seeds.mjs').Outcome | null} */
  let caught = null;
  const request = { from: 1, seeds: Number(values.seeds), workers: Number(values.workers), mutation: name };
  await runSeeds(request, (result) => {
    schedules += 1;
    if (result.violations.length > 0) caught ??= result;
    return caught === null;
  });
  if (caught === null) missed += 1;
  const found = /** @type {import('./run-seeds.mjs').Outcome | null} */ (caught);
  tell('code', name, `${schedules} schedules`, breaks, found && `seed ${found.seed}: ${found.violations[0]}`);
}
console.log(`${MODEL_MUTATIONS.length + MUTATIONS.length} rules broken, ${missed} not caught`);
process.exitCode = missed === 0 ? 0 : 1;

/** @param {string} where @param {string} name @param {string} effort @param {string} breaks @param {string | null} violated */
function tell(where, name, effort, breaks, violated) {
  console.log(
    `${where.padEnd(6)}${name.padEnd(34)}${effort.padStart(16)}  ${violated === null ? 'NOT CAUGHT' : 'caught'}`,
  );
  console.log(`      breaks: ${breaks}`);
  if (violated !== null) console.log(`      seen:   ${violated}`);
}

/** @param {string} assertion */
function shortened(assertion) {
  return assertion.length > 120 ? `${assertion.slice(0, 117)}...` : assertion;
}
