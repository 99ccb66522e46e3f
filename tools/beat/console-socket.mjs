import { createConnection } from 'node:net';

/** Pause before the next attempt to connect: short, since a destination's console may appear just before it is used. */
const RETRY_MS = 5;

/**
 * Stays connected to a serial console's unix socket: waits for it to appear, and connects again after it was closed.
 */
export class ConsoleSocket {
  #path;
  #onText;
  /** @type {import('node:net').Socket | null} */
  #socket = null;
  /** @type {NodeJS.Timeout | null} */
  #retry = null;
  #isClosed = false;
  #isConnected = false;

  /**
   * @param {string} path
   * @param {(text: string, atMs: number) => void} onText Arrival is in ms of the monotonic clock.
   */
  constructor(path, onText) {
    this.#path = path;
    this.#onText = onText;
    this.#connect();
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
    if (!this.#isConnected || this.#socket === null) return false;
    this.#socket.write(text);
    return true;
  }

  /** Closes for good. */
  close() {
    this.#isClosed = true;
    this.#isConnected = false;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#socket?.destroy();
  }

  #connect() {
    this.#retry = null;
    const socket = createConnection(this.#path);
    this.#socket = socket;
    // Latin-1 takes any byte for one character, so that a torn or foreign byte cannot swallow the next line.
    socket.setEncoding('latin1');
    socket.on('connect', () => {
      this.#isConnected = true;
    });
    socket.on('data', (/** @type {unknown} */ text) => this.#onText(String(text), nowMs()));
    // Every failure also ends in 'close', where the next attempt is planned.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isConnected = false;
      if (!this.#isClosed) this.#retry = setTimeout(() => this.#connect(), RETRY_MS);
    });
  }
}

/** The monotonic clock, in ms with fractions. */
export function nowMs() {
  return Number(process.hrtime.bigint()) / 1e6;
}
