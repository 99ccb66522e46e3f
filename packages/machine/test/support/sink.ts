import { createServer } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './machine-process.js';

/** A unix socket that keeps what it is sent. */
export async function sink(): Promise<{ path: string; content: () => Uint8Array }> {
  const path = join(temporaryDirectory(), 'sink.sock');
  const pieces: Buffer[] = [];
  const server = createServer((socket) => socket.on('data', (piece) => pieces.push(piece)));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
  return { path, content: () => Buffer.concat(pieces) };
}
