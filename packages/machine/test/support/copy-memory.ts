import { readSync, writeSync } from 'node:fs';
import { native } from '@drover/native';
import { expect } from 'vitest';
import type { MachineProcess } from './machine-process.js';

/** Memory of a paused guest, through the descriptors of the test; the agents use the native transfer for it. */
export async function copyMemory(from: MachineProcess, to: MachineProcess): Promise<void> {
  const [source, target] = [from, to].map(({ memoryFd, memoryBytes }) =>
    native().openMemory([{ id: 'ram0', fd: memoryFd, offset: 0n, sizeBytes: BigInt(memoryBytes) }]),
  );
  if (!source || !target) throw new Error('no memory');
  for (const [at, length] of source.dataRanges(0, 0n, 100_000)) {
    const bytes = Buffer.alloc(Number(length));
    readSync(from.memoryFd, bytes, 0, bytes.length, Number(at));
    writeSync(to.memoryFd, bytes, 0, bytes.length, Number(at));
  }
  const digests = await Promise.all([source.digest(1), target.digest(1)]);
  expect(digests[0].digest).toBe(digests[1].digest);
  source.close();
  target.close();
}
