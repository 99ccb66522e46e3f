/** `GET /instances/{instance}/console`: the serial console as a WebSocket of bytes, bridged to the VMM's unix socket. */
import { connect, type Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { hostAgentErrors } from '../errors.js';
import type { Instance } from '../instances/instance.js';

const CONNECT_TIMEOUT_MS = 5_000;
/** Bytes waiting for a slow reader above which the console is not read further. */
const HIGH_WATER_BYTES = 256 * 1024;

/** Connects before the upgrade, so that a refusal is an ordinary error response. Errors: `console-unavailable`. */
export async function connectConsole(instance: Instance): Promise<Socket> {
  const path = instance.vmm?.consoleSocket;
  if (!path) throw unavailable(instance, `it is ${instance.snapshot.life}`);
  const socket = connect(path);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => reject(new Error('it did not answer')));
    });
  } catch (cause) {
    socket.destroy();
    throw unavailable(instance, cause instanceof Error ? cause.message : String(cause), cause);
  }
  socket.removeAllListeners();
  socket.setTimeout(0);
  return socket;
}

/** Carries bytes both ways until either side ends. */
export function bridge(webSocket: WebSocket, console: Socket): void {
  const close = (code: number, reason: string) => {
    console.destroy();
    webSocket.close(code, reason);
  };
  console.on('data', (chunk) => {
    webSocket.send(chunk, () => {
      if (webSocket.bufferedAmount <= HIGH_WATER_BYTES) console.resume();
    });
    if (webSocket.bufferedAmount > HIGH_WATER_BYTES) console.pause();
  });
  console.on('error', () => close(1011, 'the console socket failed'));
  console.on('close', () => close(1000, 'the VMM closed its console'));
  webSocket.on('message', (data: Buffer) => {
    if (console.destroyed || console.write(data)) return;
    webSocket.pause();
    console.once('drain', () => webSocket.resume());
  });
  webSocket.on('close', () => console.destroy());
  webSocket.on('error', () => console.destroy());
}

function unavailable(instance: Instance, why: string, cause?: unknown) {
  return hostAgentErrors.error(
    'console-unavailable',
    `The console of instance ${instance.name} cannot be opened (${why}).`,
    cause,
  );
}
