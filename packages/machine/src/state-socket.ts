/** A state stream over a unix socket: out of one machine, into another. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineStateReader, type StatePayload } from '@drover/protocol';
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
  readonly #payloads: Promise<readonly StatePayload[]>;
  readonly #load: (payloads: readonly StatePayload[]) => void;
  #loaded: Promise<void> | null = null;

  private constructor(
    payloads: Promise<readonly StatePayload[]>,
    load: (payloads: readonly StatePayload[]) => void,
  ) {
    this.#payloads = payloads;
    this.#load = load;
    // Asked for by a request, which may come later, or never.
    payloads.catch(() => {});
  }

  /**
   * Resolves once it listens. Before, `rehearsal` goes through the socket and is read like the state that is to come: what runs for the
   * first time takes milliseconds, and then a guest stands still.
   */
  static async listen(
    path: string,
    rehearsal: Uint8Array,
    load: (payloads: readonly StatePayload[]) => void,
  ): Promise<StateArrival> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    await rehearse(server, path, rehearsal);
    return new StateArrival(firstConnection(server).then(readStream), load);
  }

  /** Loads it as soon as it is there, once. Rejects with `state-refused`, or with what loading threw. */
  loaded(): Promise<void> {
    this.#loaded ??= this.#payloads.then(this.#load);
    return this.#loaded;
  }
}

/** Only time is lost where it fails. */
async function rehearse(server: Server, path: string, state: Uint8Array): Promise<void> {
  const read = new Promise<Socket>((resolve) => server.once('connection', resolve)).then(readStream);
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

/** The payloads as soon as the last byte is there: nobody waits for the connection to be closed. */
function readStream(socket: Socket): Promise<readonly StatePayload[]> {
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
    socket.on('data', (piece: Buffer) => {
      const read = reader.push(piece);
      if (read === null) return;
      socket.removeAllListeners('data').removeAllListeners('end');
      // Closing waits: the guest stands still.
      socket.pause();
      setTimeout(() => socket.destroy(), CLOSE_AFTER_MS).unref();
      if (read.ok) resolve(read.value);
      else refuse(`The state cannot be read: ${read.error.path} ${read.error.message}.`);
    });
  });
}
