/**
 * Reads consoles on a thread of its own. What is not read for some 30 ms fills a console's socket, one character a message, and then QEMU keeps characters
 * back: they are part of the guest's state and come from the destination, and from the source as well as soon as somebody reads there again. So a test that is
 * busy must not keep its consoles waiting.
 */
import { createConnection } from 'node:net';
import { parentPort } from 'node:worker_threads';
import { nowMs } from './clock.mjs';

/** Pause before the next attempt to connect: short, since a destination's console may appear just before it is used. */
const RETRY_MS = 5;

/** @import { ConsoleRequest, ConsoleNews } from './console-socket.mjs' */

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
/** @type {Map<number, { path: string, socket: import('node:net').Socket | null, retry?: NodeJS.Timeout }>} */
const consoles = new Map();

/** @param {ConsoleNews} news */
const say = (news) => port.postMessage(news);

/** @param {number} id */
function connect(id) {
  const console = consoles.get(id);
  if (console === undefined) return;
  const socket = createConnection(console.path);
  console.socket = socket;
  // Latin-1 takes any byte for one character, so that a torn or foreign byte cannot swallow the next line.
  socket.setEncoding('latin1');
  socket.on('connect', () => say({ id, connected: true }));
  socket.on('data', (/** @type {unknown} */ text) => say({ id, text: String(text), atMs: nowMs() }));
  // Every failure also ends in 'close', where the next attempt is planned.
  socket.on('error', () => {});
  socket.on('close', () => {
    if (!consoles.has(id)) return;
    say({ id, connected: false });
    console.retry = setTimeout(connect, RETRY_MS, id);
  });
}

port.on('message', (/** @type {ConsoleRequest} */ { id, open, send }) => {
  if (open !== undefined) {
    consoles.set(id, { path: open, socket: null });
    connect(id);
  } else if (send !== undefined) {
    consoles.get(id)?.socket?.write(send);
  } else {
    const console = consoles.get(id);
    consoles.delete(id);
    clearTimeout(console?.retry);
    console?.socket?.destroy();
  }
});
