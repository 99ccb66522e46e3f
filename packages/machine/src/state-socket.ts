/** A state stream over a unix socket: out of one machine, into another. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineStateReader } from '@drover/protocol';
import { Refusal } from './refusal.js';

/** How long a connection stays open after its state was read, ms. */
const CLOSE_AFTER_MS = 1_000;
/** For each step of a rehearsal, ms; all of it takes a few. */
const REHEARSAL_MS = 1_000;

/** One outgoing state: a connection that is made ahead of time, and takes one stream. */
export class StateDeparture {
  readonly path: string;
  readonly #socket: Socket;
  /** Why the connection is of no use any more. */
  #failure: Refusal | null = null;

  private constructor(path: string, socket: Socket) {
    this.path = path;
    this.#socket = socket;
    socket.on('error', (error) => {
      this.#failure = notWritten(path, error.message, error);
    });
  }

  /** Refuses with `state-not-written`, within `timeoutMs`. */
  static connect(path: string, timeoutMs: number): Promise<StateDeparture> {
    return new Promise((resolve, reject) => {
      const fail = (why: string, cause?: unknown): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(notWritten(path, why, cause));
      };
      const timer = setTimeout(() => fail(`nobody took the connection within ${timeoutMs} ms`), timeoutMs);
      const socket = createConnection(path);
      const onError = (error: Error): void => fail(error.message, error);
      socket.once('error', onError);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', onError);
        resolve(new StateDeparture(path, socket));
      });
    });
  }

  /** Writes `state` and closes; once. Refuses with `state-not-written`, within `timeoutMs`. */
  write(state: Uint8Array, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) return reject(this.#failure);
      const fail = (why: string, cause?: unknown): void => {
        clearTimeout(timer);
        this.close();
        reject(notWritten(this.path, why, cause));
      };
      const timer = setTimeout(() => fail(`it was not read within ${timeoutMs} ms`), timeoutMs);
      this.#socket.on('error', (error) => fail(error.message, error));
      this.#socket.end(state, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Gives it up; what was written before is there. */
  close(): void {
    this.#socket.destroy();
  }
}

function notWritten(path: string, why: string, cause?: unknown): Refusal {
  return new Refusal('state-not-written', `The state could not be written to ${path}: ${why}.`, cause);
}

/** One incoming state: listens, reads one stream, checks it, and has it loaded when that is asked for. */
export class StateArrival {
  readonly #load: (stream: Uint8Array) => boolean;
  #stream: Uint8Array | null = null;
  /** Called in the moment in which the last byte comes: a turn of the event loop more would cost the guest as much as loading. */
  #wanted: (stream: Uint8Array) => void = () => {};
  /** Rejects where it cannot come any more. */
  readonly #arrived: Promise<void>;
  #loaded: Promise<boolean> | null = null;

  private constructor(connection: Promise<Socket>, load: (stream: Uint8Array) => boolean) {
    this.#load = load;
    this.#arrived = connection.then((socket) =>
      readStream(socket, (stream) => {
        this.#stream = stream;
        this.#wanted(stream);
      }),
    );
    // Asked for by a request, which may come later, or never.
    this.#arrived.catch(() => {});
  }

  /**
   * Resolves once it listens. Before, `rehearsal` goes through the socket and is read like the state that is to come: what runs for the
   * first time takes milliseconds, and then a guest stands still.
   */
  static async listen(
    path: string,
    rehearsal: Uint8Array,
    load: (stream: Uint8Array) => boolean,
  ): Promise<StateArrival> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    await rehearse(server, path, rehearsal);
    return new StateArrival(firstConnection(server), load);
  }

  /** Loads it as soon as it is there, once; what loading it answered. Rejects with `state-refused`, or with what loading threw. */
  loaded(): Promise<boolean> {
    this.#loaded ??= new Promise((resolve, reject) => {
      const load = (stream: Uint8Array): void => {
        try {
          resolve(this.#load(stream));
        } catch (error) {
          reject(error);
        }
      };
      if (this.#stream === null) this.#wanted = load;
      else load(this.#stream);
      this.#arrived.catch(reject);
    });
    return this.#loaded;
  }
}

/** Only time is lost where it fails. */
async function rehearse(server: Server, path: string, state: Uint8Array): Promise<void> {
  const connection = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const read = connection.then((socket) => readStream(socket, () => {}));
  read.catch(() => {});
  try {
    const departure = await StateDeparture.connect(path, REHEARSAL_MS);
    await departure.write(state, REHEARSAL_MS);
    await Promise.race([read, sleep(REHEARSAL_MS, undefined, { ref: false })]);
    departure.close();
  } catch {
    // Whoever connects next finds the same socket.
  }
  server.removeAllListeners('connection');
}

/** The socket's file goes with the listening, which ends here. */
function firstConnection(server: Server): Promise<Socket> {
  return new Promise((resolve) => {
    server.once('connection', (socket) => {
      server.close();
      resolve(socket);
    });
  });
}

/** Calls `here` with all of it as soon as the last byte is there, and then resolves: nobody waits for the connection to be closed. */
function readStream(socket: Socket, here: (stream: Uint8Array) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const reader = new MachineStateReader();
    const refuse = (why: string): void => {
      socket.destroy();
      reject(new Refusal('state-refused', why));
    };
    socket.on('error', (error) =>
      refuse(`The state broke off after ${reader.bytes} bytes: ${error.message}.`),
    );
    socket.on('end', () => refuse(`The state broke off after ${reader.bytes} bytes.`));
    let isOver = false;
    const take = (piece: Buffer): void => {
      if (isOver) return;
      const read = reader.push(piece);
      if (read === null) return;
      isOver = true;
      if (!read.ok) {
        refuse(`The state cannot be read: ${read.error.path} ${read.error.message}.`);
        return;
      }
      here(read.value);
      resolve();
      // What is left to do waits: the guest stands still.
      setImmediate(() => {
        socket.removeAllListeners('data').removeAllListeners('end').pause();
        setTimeout(() => socket.destroy(), CLOSE_AFTER_MS).unref();
      });
    };
    socket.on('data', take);
  });
}
