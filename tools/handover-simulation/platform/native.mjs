/**
 * `@drover/native` of the code under test. The bulk transfer, which on a real host is threads and sockets of its own, is here one connection
 * of the simulated network on which both ends, these two classes, speak lines of JSON; it keeps the contract of `native/index.ts`: a round
 * ends when it is acknowledged, and whatever breaks rejects what waits.
 */
import { encodeBulkHello, encodePreamble } from '../../../packages/protocol/dist/index.js';
import { host, world } from './current.mjs';
import { writeSynced } from './files.mjs';

export { COUNTER_COUNT, Counter, PAGE_SIZE } from '../../../native/dist/index.js';

export class Bitmap {
  /** @type {Set<number>} */
  set = new Set();

  /** @param {number} pages */
  constructor(pages) {
    this.pages = pages;
  }
  count() {
    return this.set.size;
  }
  setAll() {
    for (let page = 0; page < this.pages; page += 1) this.set.add(page);
  }
  clear() {
    this.set.clear();
  }
  /** @param {Bitmap} other */
  merge(other) {
    for (const page of other.set) this.set.add(page);
  }
}

/** What waits for the other end, and what ends all of it at once. */
class Waits {
  /** @type {Map<string, { resolve: (value: unknown) => void, reject: (error: Error) => void }[]>} */
  #waiting = new Map();
  /** @type {Map<string, unknown>} */
  #came = new Map();
  /** @type {Error | null} */
  failure = null;

  /** @param {string} what @param {number} timeoutMs @returns {Promise<unknown>} */
  for(what, timeoutMs) {
    if (this.#came.has(what)) return Promise.resolve(this.#came.get(what));
    if (this.failure) return Promise.reject(this.failure);
    const { scheduler } = world();
    return new Promise((resolve, reject) => {
      const late = scheduler.after(timeoutMs, scheduler.current, () =>
        this.fail(nativeError('native-timeout', `${what} is late`)),
      );
      const settle = (/** @type {() => void} */ act) => {
        scheduler.cancel(late);
        act();
      };
      const waiters = this.#waiting.get(what) ?? [];
      waiters.push({
        resolve: (value) => settle(() => resolve(value)),
        reject: (error) => settle(() => reject(error)),
      });
      this.#waiting.set(what, waiters);
    });
  }

  /** @param {string} what @param {unknown} value */
  came(what, value) {
    if (this.failure) return;
    this.#came.set(what, value);
    for (const { resolve } of this.#waiting.get(what) ?? []) resolve(value);
    this.#waiting.delete(what);
  }

  /** @param {Error} error */
  fail(error) {
    if (this.failure) return;
    this.failure = error;
    const waiting = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}

class Sender {
  counters = new BigUint64Array(16);
  #options;
  #waits = new Waits();
  /** @type {import('../network.mjs').SimulatedSocket | null} */
  #socket = null;

  /** @param {any} options BulkSenderOptions */
  constructor(options) {
    this.#options = options;
  }

  async connect() {
    const { network, scheduler, stateSockets } = world();
    const { host: to, port, version, token, connectTimeoutMs, stateSocket } = this.#options;
    const socket = network.connect(scheduler.current, to, port);
    this.#socket = socket;
    stateSockets.set(`${host().name} ${stateSocket}`, (device) => this.#say({ state: device }));
    hear(socket, this.#waits, (/** @type {any} */ line) => {
      if (line.connected) this.#waits.came('connected', true);
      if ('ended' in line) this.#waits.came(`round ${line.ended}`, true);
      if (line.stateTaken) this.#waits.came('state', true);
    });
    socket.on('connect', () => {
      socket.write(encodePreamble({ oldest: version, newest: version, role: 'bulk' }));
      socket.write(encodeBulkHello({ token: Uint8Array.from(token), kind: 1, channel: 0, channels: 1 }));
    });
    await this.#waits.for('connected', connectTimeoutMs);
  }

  /** @param {number} round @param {Bitmap | null} pages */
  async sendRound(round, pages) {
    const process = /** @type {import('../vmm-process.mjs').VmmProcess} */ (this.#options.memory.process);
    process.catchUp();
    const numbers = pages ? [...pages.set] : [...process.pages.keys()];
    this.#say({ round, pages: numbers.map((page) => [page, process.pages[page]]) });
    await this.#waits.for(`round ${round}`, this.#options.stallTimeoutMs);
    return {
      wireBytes: numbers.length * 4096,
      dataPages: numbers.length,
      zeroPages: 0,
      tornPages: 0,
      durationMicros: 1000,
    };
  }

  setBandwidth() {}
  hurry() {}

  async stateSent() {
    await this.#waits.for('state', 3_600_000);
    return { bytes: 8, durationMicros: 100 };
  }

  cancel() {
    this.#waits.fail(nativeError('native-cancelled', 'the transfer was cancelled'));
    this.#socket?.destroy();
  }

  close() {
    this.cancel();
    world().stateSockets.delete(`${host().name} ${this.#options.stateSocket}`);
  }

  /** @param {object} line */
  #say(line) {
    if (this.#socket?.usable) this.#socket.write(`${JSON.stringify(line)}\n`);
  }
}

class Receiver {
  counters = new BigUint64Array(16);
  #options;
  #waits = new Waits();
  /** @type {import('../network.mjs').SimulatedSocket | null} */
  #socket = null;
  #vmmSocket = '';
  #over = false;

  /** @param {any} options BulkReceiverOptions */
  constructor(options) {
    this.#options = options;
  }

  /** @param {number} fd */
  addChannel(fd) {
    const socket = world().network.take(fd);
    this.#socket = socket;
    const { process } = this.#options.memory;
    hear(
      socket,
      this.#waits,
      (/** @type {any} */ line) => {
        if (this.#over) return;
        if ('round' in line) {
          for (const [page, write] of line.pages) process.pages[page] = write;
          this.#waits.came(`round ${line.round}`, true);
          socket.write(`${JSON.stringify({ ended: line.round })}\n`);
        }
        if ('state' in line) {
          this.#waits.came('state', line.state);
          socket.write(`${JSON.stringify({ stateTaken: true })}\n`);
        }
      },
      (error) => {
        if (!this.#over) this.#options.onFailure(error);
      },
    );
    socket.write(`${JSON.stringify({ connected: true })}\n`);
    this.#waits.came('connected', true);
  }

  /** @param {number} timeoutMs */
  async connected(timeoutMs) {
    await this.#waits.for('connected', timeoutMs);
  }

  /** @param {number} round @param {number} timeoutMs */
  async roundEnded(round, timeoutMs) {
    await this.#waits.for(`round ${round}`, timeoutMs);
  }

  /** @param {string} path */
  async connectVmm(path) {
    await world().scheduler.wait(0.3);
    this.#vmmSocket = path;
  }

  /** @param {number} timeoutMs */
  async deliverState(timeoutMs) {
    const device = /** @type {number} */ (await this.#waits.for('state', timeoutMs));
    world().stateSockets.get(`${host().name} ${this.#vmmSocket}`)?.(device);
    return { bytes: 8 };
  }

  hurry() {}

  cancel() {
    this.#over = true;
    this.#waits.fail(nativeError('native-cancelled', 'the transfer was cancelled'));
    this.#socket?.destroy();
  }

  close() {
    this.cancel();
  }
}

/** Reads lines; the end of the connection fails what waits. @param {import('../network.mjs').SimulatedSocket} socket @param {Waits} waits @param {(line: unknown) => void} onLine @param {(error: Error) => void} onFailure */
function hear(socket, waits, onLine, onFailure = () => {}) {
  let held = '';
  const lost = () => {
    if (waits.failure) return;
    const error = nativeError('native-connection-lost', 'the connection was lost');
    waits.fail(error);
    onFailure(error);
  };
  socket.on('data', (bytes) => {
    held += bytes.toString();
    for (let end = held.indexOf('\n'); end >= 0; end = held.indexOf('\n')) {
      onLine(JSON.parse(held.slice(0, end)));
      held = held.slice(end + 1);
    }
  });
  socket.on('error', lost);
  socket.on('end', () => {
    lost();
    socket.destroy();
  });
  socket.on('close', lost);
}

/** @param {string} code @param {string} message */
function nativeError(code, message) {
  return Object.assign(new Error(message), { code, errno: null, syscall: null });
}

const addon = {
  /** @param {{ pages: number }} memory */
  createBitmap: (memory) => new Bitmap(memory.pages),
  /** @param {any} options */
  createSender: (options) => new Sender(options),
  /** @param {any} options */
  createReceiver: (options) => new Receiver(options),
  /** @param {number} fd */
  tryLock: (fd) => host().locks.tryLock(fd),
  /** @param {number} fd */
  closeFd: (fd) => void world().network.take(fd).destroy(),
  writeSynced,
  /** @param {any} options */
  listenForPeers: (options) => {
    const { network, scheduler } = world();
    const { handshakeTimeoutMs, onConnection } = options;
    const process = /** @type {import('../scheduler.mjs').Process} */ (scheduler.current);
    return network.listen(options.host, options.port, { process, handshakeTimeoutMs, onConnection });
  },
};

export const native = () => addon;

/** There is one thread. */
export const createUrgency = () => ({ begin() {}, end() {} });
