/** Device state and memory on their way, without an agent. */
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Vmm } from '../../src/driver.js';
import { temporaryDirectory } from './temporary.js';

/** A unix socket that keeps what it is sent. */
export async function sink(): Promise<{ path: string; bytes: () => number; content: () => Buffer }> {
  const path = join(temporaryDirectory(), 'sink.sock');
  const chunks: Buffer[] = [];
  const server = createServer((socket) => socket.on('data', (chunk) => chunks.push(chunk)));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
  return {
    path,
    bytes: () => chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    content: () => Buffer.concat(chunks),
  };
}

/** Memory and device state of a paused guest to a VMM that waits for them; both are paused afterwards. */
export async function move(source: Vmm, target: Vmm): Promise<void> {
  const socket = await target.prepareLoad();
  await source.prepareSave(socket);
  await source.pause();
  await copyMemory(source, target);
  await Promise.all([source.saveState(socket, neverAborted()), target.loaded(5000)]);
}

export function neverAborted(): AbortSignal {
  return new AbortController().signal;
}

/** Through the descriptors that both processes hold; the agents use the native transfer for it. */
export async function copyMemory(from: Vmm, to: Vmm): Promise<void> {
  const [source, target] = await Promise.all(
    [from, to].map(({ record }) => open(`/proc/${record.pid}/fd/${record.regions[0]?.vmmFd}`, 'r+')),
  );
  if (!source || !target) throw new Error('no memory');
  try {
    for (const [at, length] of from.memory.dataRanges(0, 0n, 100_000)) {
      const { buffer } = await source.read(Buffer.alloc(Number(length)), 0, Number(length), Number(at));
      await target.write(buffer, 0, buffer.length, Number(at));
    }
  } finally {
    await source.close();
    await target.close();
  }
  const digests = await Promise.all([from.memory.digest(1), to.memory.digest(1)]);
  expect(digests[0].digest).toBe(digests[1].digest);
}
