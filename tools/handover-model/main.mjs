/**
 * Searches every state of the handover's model within its bounds: `npm run model`. Prints the bounds, the states and the result.
 *
 *   npm run model [-- --crashes N] [--migrations N] [--mutation NAME]
 */
import { parseArgs } from 'node:util';
import { MODEL_MUTATIONS } from './mutations.mjs';
import { BOUNDS, searchModel } from './search.mjs';

const { values } = parseArgs({
  options: { crashes: { type: 'string' }, migrations: { type: 'string' }, mutation: { type: 'string' } },
});
const bounds = {
  ...BOUNDS,
  CRASHES: Number(values.crashes ?? BOUNDS.CRASHES),
  MIGRATIONS: Number(values.migrations ?? BOUNDS.MIGRATIONS),
};
const mutation =
  values.mutation === undefined ? 0 : MODEL_MUTATIONS.find(({ name }) => name === values.mutation)?.number;
if (mutation === undefined)
  throw new Error(
    `no mutation ${values.mutation}; there are: ${MODEL_MUTATIONS.map(({ name }) => name).join(', ')}`,
  );

console.log(
  `two hosts, ${bounds.MIGRATIONS} migrations of one instance, at most ${bounds.CRASHES} agents killed and ${bounds.LOST} host lost for good;\n` +
    'messages lost, late, double and out of order without bound',
);
const { states, transitions, depth, violated, trail, seconds } = await searchModel(mutation, bounds);
for (const step of trail) console.log(`  ${step}`);
const rate = `${states} states, ${transitions} transitions, longest way ${depth} steps, ${seconds.toFixed(1)} s`;
console.log(violated === null ? `search complete: ${rate}\nno violation` : `${rate}\nVIOLATED: ${violated}`);
process.exitCode = violated === null ? 0 : 1;
