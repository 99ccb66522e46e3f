/**
 * Drains a host of real guests, each of which checks its own memory, through a control plane and three agents on this machine:
 *
 *   npm run drain [-- --guests 20] [-- --concurrency 4] [-- --vmm qemu|machine] [-- --json]
 *
 * Exit code 0 only when every guest left, none was harmed, each runs once (R1), and nothing was left behind (R12).
 */
import { parseArgs } from 'node:util';
import { usableVmm } from './choose-vmm.mjs';
import { drainGuests } from './drain-guests.mjs';
import { harm } from './harm.mjs';
import { drainTable } from './table.mjs';

const { values } = parseArgs({
  options: {
    guests: { type: 'string', default: '20' },
    concurrency: { type: 'string', default: '4' },
    vmm: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

/**
 * @param {'guests' | 'concurrency'} name
 * @param {number} most
 */
function wholeNumber(name, most) {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new Error(`--${name} is a whole number from 1 to ${most}, not "${values[name]}"`);
}

async function main() {
  const guests = wholeNumber('guests', 200);
  const concurrency = wholeNumber('concurrency', 64);
  const vmm = usableVmm(values.vmm ?? null);
  const interrupted = new AbortController();
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.on(signal, () => interrupted.abort(new Error(`Ended by ${signal}`)));
  }
  const out = values.json ? process.stderr : process.stdout;
  const log = (/** @type {string} */ line) => void out.write(`${line}\n`);
  const drained = await drainGuests({ vmm, guests, concurrency, log, signal: interrupted.signal });
  const harmed = harm(drained);
  log(drainTable(drained));
  for (const sentence of harmed) log(sentence);
  log(harmed.length === 0 ? 'Every guest moved, alive and right.' : `${harmed.length} things were wrong.`);
  if (values.json) process.stdout.write(`${JSON.stringify({ vmm, concurrency, ...drained, harmed })}\n`);
  process.exitCode = harmed.length === 0 ? 0 : 1;
}

await main().catch((thrown) => {
  process.stderr.write(`drain: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exitCode = 2;
});
