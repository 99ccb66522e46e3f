import type { Duplex } from 'node:stream';

/**
 * Ends a stream so that the peer gets what was written. Closing a TCP socket that holds unread bytes resets it, and a reset
 * makes the peer lose what it had not read yet, for example the refusal; so what comes is read and dropped until the peer closes
 * too, for at most `lingerMs`.
 */
export function closeGently(stream: Duplex, lingerMs = 1_000): void {
  if (stream.destroyed) return;
  stream.on('error', () => stream.destroy());
  const timer = setTimeout(() => stream.destroy(), lingerMs);
  // Leaving is no reason to keep a process: its end closes the socket as well.
  timer.unref();
  stream.once('close', () => clearTimeout(timer));
  stream.once('end', () => stream.destroy());
  stream.end();
  stream.resume();
  if (stream.readableEnded) stream.destroy();
}
