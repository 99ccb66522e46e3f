/**
 * What the ownership journal costs a handover: RELINQUISHED at the source and OWNED at the destination are written and synced while the
 * guest stands still.
 *
 *   node tools/bench/journal.mjs [DIRECTORY]   a directory on the disk to measure; default: this checkout's
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OwnershipJournal } from '../../packages/host-agent/dist/journal/ownership-journal.js';
import { root } from '../bootstrap/step.mjs';

const HANDOVERS = 400;

const directory = await mkdtemp(join(process.argv[2] ?? root, '.journal-bench-'));
try {
  const [source, destination] = [await open('source'), await open('destination')];
  /** @type {{ relinquished: number, owned: number }[]} */
  const taken = [];
  for (let i = 0; i < HANDOVERS; i += 1) taken.push(await handOver(source, destination));
  await Promise.all([source.close(), destination.close()]);
  const of = (/** @type {'relinquished' | 'owned'} */ step) => quantiles(taken.map((each) => each[step]));
  console.log(`${HANDOVERS} handovers on ${directory.slice(0, directory.lastIndexOf('/'))}`);
  console.log(`RELINQUISHED    ${of('relinquished')}`);
  console.log(`OWNED           ${of('owned')}`);
  console.log(`of the downtime ${quantiles(taken.map(({ relinquished, owned }) => relinquished + owned))}`);
} finally {
  await rm(directory, { recursive: true, force: true });
}

/** @param {string} name */
function open(name) {
  return OwnershipJournal.open(join(directory, `${name}.log`), { hostId: randomUUID() });
}

/** ms for each of the two steps that a guest waits for. @param {OwnershipJournal} source @param {OwnershipJournal} destination */
async function handOver(source, destination) {
  const parties = { migrationId: randomUUID(), instanceId: randomUUID() };
  const give = { ...parties, role: /** @type {const} */ ('source') };
  const take = { ...parties, role: /** @type {const} */ ('destination'), epoch: 2n };
  await source.write({ ...give, state: 'owned', epoch: 1n });
  await destination.write({ ...take, state: 'preparing' });
  await destination.write({ ...take, state: 'ready' });
  const relinquished = await timed(() => source.write({ ...give, state: 'relinquished', epoch: 2n }));
  const owned = await timed(() => destination.write({ ...take, state: 'owned' }));
  return { relinquished, owned };
}

/** @param {() => Promise<void>} work */
async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** @param {number[]} values ms */
function quantiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (/** @type {number} */ part) => (sorted[Math.floor(part * (sorted.length - 1))] ?? 0).toFixed(3);
  return `median ${at(0.5)} ms, 90 % ${at(0.9)} ms, 99 % ${at(0.99)} ms`;
}
