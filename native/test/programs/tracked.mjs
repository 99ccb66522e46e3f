/**
 * A stand-in for a VMM: maps descriptor 3 and touches pages of it for writing, `<page>` a line on stdin, answered with a line.
 * Started with the shim preloaded.
 */
import { createInterface } from 'node:readline';
import { native } from '../../dist/index.js';

const sizeBytes = BigInt(process.argv[2] ?? '0');
const memory = native().openMemory([{ id: 'ram0', fd: 3, offset: 0n, sizeBytes }]);
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  await memory.populate([[0, BigInt(line) * 4096n, 4096n]]);
  console.log('ok');
}
