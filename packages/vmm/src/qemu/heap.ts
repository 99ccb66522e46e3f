/** A warm heap for a QEMU that is about to load device state. */
import { createConnection } from 'node:net';

/** Longer than the shim takes, ms. */
const CONNECTION_MS = 1_000;

/**
 * Has the shim populate QEMU's heap, which it does for whoever connects: page faults that would otherwise be part of the downtime. The
 * userfaultfd that comes with the answer is not taken and so closed. Only time is lost where it does not work.
 */
export function populateHeap(shimSocket: string): void {
  const connection = createConnection(shimSocket);
  const end = setTimeout(() => connection.destroy(), CONNECTION_MS);
  connection.on('error', () => {});
  connection.on('close', () => clearTimeout(end));
  connection.resume();
}
