/** A state stream over a unix socket: out of one machine, into another. */
import { rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { MachineStateReader, type StatePayload } from '@drover/protocol';
import { Refusal } from './refusal.js';

/** Connects to `path`, writes `state` and closes. Refuses with `state-not-written`, within `timeoutMs`. */
export function writeState(path: string, state: Uint8Array, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Refusal('state-not-written', `The state could not be written to ${path}: ${why}.`, cause));
    };
    const timer = setTimeout(() => fail(`it was not read within ${timeoutMs} ms`), timeoutMs);
    const socket = createConnection(path);
    socket.on('error', (error) => fail(error.message, error));
    socket.end(state, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** One incoming state: listens, reads one stream, hands its payloads on. */
export class StateArrival {
  /** Settles when the state was loaded; rejects with `state-refused`, or with what `load` threw. */
  readonly loaded: Promise<void>;

  private constructor(loaded: Promise<void>) {
    this.loaded = loaded;
    // Asked for by a request, which may come later, or never.
    loaded.catch(() => {});
  }

  /** Resolves once it listens. */
  static async listen(
    path: string,
    load: (payloads: readonly StatePayload[]) => Promise<void>,
  ): Promise<StateArrival> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    const loaded = firstConnection(server)
      .then(readStream)
      .then(load)
      .finally(() => {
        server.close();
        return rm(path, { force: true });
      });
    return new StateArrival(loaded);
  }
}

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
      socket.resume();
      socket.once('end', () => socket.destroy());
      if (read.ok) resolve(read.value);
      else refuse(`The state cannot be read: ${read.error.path} ${read.error.message}.`);
    });
  });
}
