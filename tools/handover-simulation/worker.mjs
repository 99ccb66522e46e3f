/** Runs a range of seeds in a process of its own, and tells its parent after each. */
import { loadCode } from './load-code.mjs';
import { findMutation } from './mutations.mjs';

const [from, to, step, mutation] = process.argv.slice(2);
// Whoever asked is gone.
process.on('disconnect', () => process.exit());
const code = await loadCode(mutation ? findMutation(mutation) : null);
// Not before: whatever it loads of the packages must come through the hooks.
const { runSchedule } = await import('./schedule.mjs');
for (let seed = Number(from); seed < Number(to); seed += Number(step)) {
  const { trace, ...result } = await runSchedule(code, seed, false);
  process.send?.(result);
}
process.disconnect?.();
