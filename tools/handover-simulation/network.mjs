/**
 * Connections between the hosts. Bytes of one connection arrive in order, each connection at a pace of its own; so what was sent on an
 * old one may come after what was sent on a newer one. A direction that is blocked holds bytes back as TCP does, and brings them once
 * it is open again, if both ends still are.
 */
import { Duplex } from 'node:stream';
import { systemError } from './simulated-disk.mjs';

/** @typedef {import('./scheduler.mjs').Process} Process */
/** @typedef {{ fd: number, preamble: Uint8Array, hello: Uint8Array | null }} Greeting */
/** @typedef {{ process: Process, handshakeTimeoutMs: number, onConnection: (fd: number, preamble: Uint8Array, hello: Uint8Array | null) => void }} Listener */

const PREAMBLE_BYTES = 16;
const BULK_HELLO_BYTES = 48;
const BULK_ROLE = 2;
/** How long a piece takes on most connections, and on some, ms. */
const QUICK_MS = /** @type {const} */ ([0.05, 4]);
const SLOW_MS = /** @type {const} */ ([100, 1_200]);
const SLOW_CONNECTIONS = 0.08;
/** Bytes kept of a connection for a replay. */
const RECORDED_BYTES = 64 * 1024;

export class Network {
  #scheduler;
  /** @type {Map<string, Listener>} by host and port */
  #listeners = new Map();
  /** Directions that carry nothing now, `from>to`. @type {Set<string>} */
  #blocked = new Set();
  /** @type {Map<number, SimulatedSocket>} */
  #descriptors = new Map();
  #nextDescriptor = 100;
  /** @type {Set<SimulatedSocket>} */
  #open = new Set();
  /** Everything takes this much longer, ms. */
  slowness = 0;
  /** What control connections carried from whoever opened them, for a replay. @type {{ to: string, bytes: Uint8Array[] }[]} */
  recorded = [];
  /** Told of every piece that a process gives to a connection. @type {(socket: SimulatedSocket, bytes: Uint8Array) => void} */
  onSent = () => {};

  /** @param {import('./scheduler.mjs').Scheduler} scheduler */
  constructor(scheduler) {
    this.#scheduler = scheduler;
  }

  /** @param {string} host @param {number} port @param {Listener} listener */
  listen(host, port, listener) {
    this.#listeners.set(`${host}:${port}`, listener);
    return { port, close: () => void this.#listeners.delete(`${host}:${port}`) };
  }

  /** @param {Process | null} process who connects @param {string} host @param {number} port */
  connect(process, host, port) {
    const scheduler = this.#scheduler;
    const from = process?.host?.address ?? 'elsewhere';
    const [least, most] = scheduler.random.chance(SLOW_CONNECTIONS) ? SLOW_MS : QUICK_MS;
    const pace = scheduler.random.between(least, most);
    const near = new SimulatedSocket(this, scheduler, process, from, host, pace);
    this.#open.add(near);
    scheduler.after(this.#latency(pace), null, () => {
      if (!near.usable || this.isBlocked(from, host)) return;
      const listener = this.#listeners.get(`${host}:${port}`);
      const refused = !listener?.process.alive;
      scheduler.after(this.#latency(pace), process, () => {
        if (!near.usable || this.isBlocked(host, from)) return;
        if (refused || !listener.process.alive)
          near.destroy(systemError('ECONNREFUSED', 'connect', `${host}:${port}`));
        else this.#accept(near, listener, host, from, pace, `${host}:${port}`);
      });
    });
    return near;
  }

  /** @param {SimulatedSocket} near @param {Listener} listener @param {string} host @param {string} from @param {number} pace @param {string} to */
  #accept(near, listener, host, from, pace, to) {
    const scheduler = this.#scheduler;
    const far = new SimulatedSocket(this, scheduler, listener.process, host, from, pace);
    this.#open.add(far);
    near.other = far;
    far.other = near;
    const recording = { to, bytes: /** @type {Uint8Array[]} */ ([]) };
    far.greet(listener, (greeting) => {
      const fd = this.#nextDescriptor++;
      this.#descriptors.set(fd, far);
      if (greeting.hello === null) {
        this.recorded.push(recording);
        far.recording = recording;
        recording.bytes.push(greeting.preamble);
      }
      listener.onConnection(fd, greeting.preamble, greeting.hello);
    });
    near.emit('connect');
    near.pump();
  }

  /** @param {number} fd @returns {SimulatedSocket} */
  take(fd) {
    const socket = this.#descriptors.get(fd);
    if (!socket) throw new Error(`descriptor ${fd} is not open`);
    this.#descriptors.delete(fd);
    return socket;
  }

  /** @param {string} from @param {string} to */
  block(from, to) {
    this.#blocked.add(`${from}>${to}`);
  }

  /** Opens every direction, at the usual pace. */
  heal() {
    this.#blocked.clear();
    this.slowness = 0;
    for (const socket of [...this.#open]) socket.pump();
  }

  /** @param {string} from @param {string} to */
  isBlocked(from, to) {
    return this.#blocked.has(`${from}>${to}`);
  }

  /** @param {number} pace */
  #latency(pace) {
    return pace + this.slowness + this.#scheduler.random.between(0, 0.5);
  }

  /** @param {number} pace */
  latency(pace) {
    return this.#latency(pace);
  }

  /** Resets every connection. */
  resetAll() {
    for (const socket of [...this.#open]) socket.reset();
  }

  /**
   * A process is gone: its kernel says so on every connection; without power nobody says anything.
   * @param {Process} process @param {boolean} silently
   */
  abandon(process, silently) {
    for (const socket of [...this.#open]) if (socket.owner === process) socket.abandon(silently);
    for (const [key, listener] of this.#listeners) {
      if (listener.process === process) this.#listeners.delete(key);
    }
  }

  /** Sends what a control connection once carried on a new one. @param {{ to: string, bytes: Uint8Array[] }} recording */
  replay({ to, bytes }) {
    const [host = '', port] = to.split(':');
    const socket = this.connect(null, host, Number(port));
    socket.on('error', () => {});
    socket.on('connect', () => {
      for (const piece of bytes) socket.write(piece);
    });
    socket.resume();
  }

  /** Connections that a process holds. @param {Process} process */
  heldBy(process) {
    return [...this.#open].filter((socket) => socket.owner === process).length;
  }

  /** @param {SimulatedSocket} socket */
  forget(socket) {
    this.#open.delete(socket);
  }

  /** @param {SimulatedSocket} socket @param {Uint8Array} bytes */
  keep(socket, bytes) {
    const { recording } = socket;
    if (!recording) return;
    const kept = recording.bytes.reduce((sum, piece) => sum + piece.length, 0);
    if (kept < RECORDED_BYTES) recording.bytes.push(bytes);
  }
}

/** One end of a connection, in the form of Node's. */
export class SimulatedSocket extends Duplex {
  /** @type {SimulatedSocket | null} */
  other = null;
  /** @type {{ to: string, bytes: Uint8Array[] } | null} */
  recording = null;
  usable = true;
  owner;
  remoteAddress;
  localAddress;
  #network;
  #scheduler;
  #pace;
  /** On the way to the other end; null is the end of the stream. @type {(Uint8Array | null)[]} */
  #sending = [];
  #moving = false;
  /** @type {((bytes: Uint8Array) => void) | null} */
  #beforeStream = null;

  /** @param {Network} network @param {import('./scheduler.mjs').Scheduler} scheduler @param {Process | null} owner @param {string} local @param {string} remote @param {number} pace */
  constructor(network, scheduler, owner, local, remote, pace) {
    super({ allowHalfOpen: true });
    this.#network = network;
    this.#scheduler = scheduler;
    this.#pace = pace;
    this.owner = owner;
    this.localAddress = local;
    this.remoteAddress = remote;
  }

  setNoDelay() {
    return this;
  }

  /** @override @param {Buffer} chunk @param {string} _encoding @param {() => void} callback */
  _write(chunk, _encoding, callback) {
    this.#network.onSent(this, chunk);
    this.#sending.push(Uint8Array.from(chunk));
    this.pump();
    callback();
  }

  /** @override */
  _read() {}

  /** @override @param {() => void} callback */
  _final(callback) {
    this.#sending.push(null);
    this.pump();
    callback();
  }

  /** @override @param {Error | null} error @param {(error?: Error | null) => void} callback */
  _destroy(error, callback) {
    this.#leave();
    callback(error);
  }

  /** Sets the next piece going. */
  pump() {
    const { other } = this;
    if (this.#moving || other === null || this.#sending.length === 0) return;
    if (this.#network.isBlocked(this.localAddress, this.remoteAddress)) return;
    this.#moving = true;
    this.#scheduler.after(this.#network.latency(this.#pace), null, () => {
      this.#moving = false;
      if (this.#network.isBlocked(this.localAddress, this.remoteAddress)) return;
      const piece = this.#sending.shift();
      if (piece === undefined) return;
      this.#scheduler.after(0, other.owner, () => other.#arrive(piece));
      if (!other.usable)
        this.#scheduler.after(this.#network.latency(this.#pace), this.owner, () => this.reset());
      else this.pump();
    });
  }

  /** @param {Uint8Array | null} piece */
  #arrive(piece) {
    if (!this.usable) return;
    if (piece === null) this.push(null);
    else if (this.#beforeStream) this.#beforeStream(piece);
    else {
      this.#network.keep(this, piece);
      this.push(piece);
    }
  }

  /** Reads what comes first, as the listener does natively. @param {Listener} listener @param {(greeting: Omit<Greeting, 'fd'>) => void} done */
  greet(listener, done) {
    let held = Buffer.alloc(0);
    this.on('error', () => {});
    const late = this.#scheduler.after(listener.handshakeTimeoutMs, this.owner, () => this.destroy());
    this.#beforeStream = (bytes) => {
      held = Buffer.concat([held, bytes]);
      if (held.length < PREAMBLE_BYTES) return;
      const isBulk = held.readUInt16LE(10) === BULK_ROLE;
      const size = PREAMBLE_BYTES + (isBulk ? BULK_HELLO_BYTES : 0);
      if (held.length < size) return;
      this.#scheduler.cancel(late);
      this.#beforeStream = null;
      done({
        preamble: held.subarray(0, PREAMBLE_BYTES),
        hello: isBulk ? held.subarray(PREAMBLE_BYTES, size) : null,
      });
      if (held.length > size) this.#arrive(held.subarray(size));
    };
  }

  /** The connection breaks, as this end sees it. */
  reset() {
    if (!this.usable) return;
    const error = systemError('ECONNRESET', 'read', this.remoteAddress);
    this.#scheduler.after(0, this.owner, () => {
      if (this.usable) this.destroy(error);
    });
  }

  /** The process that held this end is gone. @param {boolean} silently */
  abandon(silently) {
    if (silently) {
      this.usable = false;
      this.#sending = [];
      this.#network.forget(this);
    } else this.#leave();
  }

  /** The other end learns of it once everything before it has come; if that cannot be carried now, only when it next says something. */
  #leave() {
    if (!this.usable) return;
    this.usable = false;
    this.#network.forget(this);
    this.#sending.push(null);
    this.pump();
  }
}
