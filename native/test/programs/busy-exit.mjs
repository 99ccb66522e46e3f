/** Ends while native threads are at work, in the way named by its first argument; must end cleanly in every one. */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker } from 'node:worker_threads';
import { native } from '../../dist/index.js';

const way = process.argv[2];

function startWork() {
  const addon = native();
  const sizeBytes = 64n << 20n;
  const fd = addon.createMemfd('busy', sizeBytes);
  const memory = addon.openMemory([{ id: 'ram', fd, offset: 0n, sizeBytes }]);
  const work = [memory.populate([[0, 0n, sizeBytes]])];
  for (let index = 0; index < 8; ++index) work.push(memory.digest(2));
  for (const promise of work) promise.catch(() => {});
  return Promise.allSettled(work);
}

if (!isMainThread) {
  startWork();
} else if (way === 'worker') {
  for (let turn = 0; turn < 5; ++turn) {
    const worker = new Worker(fileURLToPath(import.meta.url));
    await new Promise((resolve) => worker.once('online', resolve));
    await delay(turn * 8);
    await worker.terminate();
  }
  console.log('done');
} else if (way === 'exit') {
  startWork();
  setTimeout(() => process.exit(0), 5);
} else if (way === 'wait') {
  // Nothing else keeps the event loop alive: pending promises must.
  startWork().then((results) => console.log(`settled ${results.length}`));
} else if (way === 'throw') {
  startWork();
  setTimeout(() => {
    throw new Error('on purpose');
  }, 5);
}
