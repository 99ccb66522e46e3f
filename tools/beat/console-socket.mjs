import { Worker } from 'node:worker_threads';

/**
 * @typedef {object} ConsoleRequest What the thread that reads is asked; to close where neither is given.
 * @property {number} id
 * @property {string} [open] The socket's path.
 * @property {string} [send]
 *
 * @typedef {object} ConsoleNews What it says.
 * @property {number} id
 * @property {boolean} [connected]
 * @property {string} [text]
 * @property {number} [atMs] When the text came, in ms of the monotonic clock.
 */

/** @type {Worker | null} One for all consoles; it does not keep the process. */
let reader = null;
/** @type {Map<number, (news: ConsoleNews) => void>} */
const listeners = new Map();
let made = 0;

function startReader() {
  if (reader === null) {
    reader = new Worker(new URL('./console-worker.mjs', import.meta.url));
    reader.on('message', (/** @type {ConsoleNews} */ news) => listeners.get(news.id)?.(news));
    reader.unref();
  }
  return reader;
}

/**
 * Stays connected to a serial console's unix socket: waits for it to appear, and connects again after it was closed. Reads at once, however busy this thread is.
 */
export class ConsoleSocket {
  #id = ++made;
  #isConnected = false;

  /**
   * @param {string} path
   * @param {(text: string, atMs: number) => void} onText Arrival is in ms of the monotonic clock.
   */
  constructor(path, onText) {
    listeners.set(this.#id, ({ connected, text, atMs }) => {
      if (connected !== undefined) this.#isConnected = connected;
      if (text !== undefined && atMs !== undefined) onText(text, atMs);
    });
    this.#ask({ open: path });
  }

  get isConnected() {
    return this.#isConnected;
  }

  /**
   * Types on the console. False where there is none at the moment.
   *
   * @param {string} text
   */
  send(text) {
    if (!this.#isConnected) return false;
    this.#ask({ send: text });
    return true;
  }

  /** Closes for good. */
  close() {
    if (!listeners.delete(this.#id)) return;
    this.#isConnected = false;
    this.#ask({});
  }

  /** @param {Omit<ConsoleRequest, 'id'>} request */
  #ask(request) {
    startReader().postMessage({ id: this.#id, ...request });
  }
}
