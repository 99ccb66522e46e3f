/**
 * The guest's serial port: everything it says goes to a log file and to whoever is connected to the console's socket; what they type
 * goes to the guest. Nobody who reads slowly holds the guest up. What is said before anybody looks is kept for the first who does: a
 * guest that just started, or just arrived, is at work before its console can be found.
 */
import { openSync, writeSync } from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';

/** What may wait for one reader, or for the first one, bytes; what is beyond that, it misses. */
const BACKLOG_BYTES = 64 * 1024;

/** Turns of the event loop in which nothing more came. */
const QUIET_TURNS = 2;

export class Console {
  readonly #port: Socket;
  readonly #log: number;
  readonly #readers = new Set<Socket>();
  /** Null from the first reader on. */
  #unseen: Buffer | null = Buffer.alloc(0);
  #heardBytes = 0;

  private constructor(port: Socket, log: number, server: Server) {
    this.#port = port;
    this.#log = log;
    server.on('connection', (reader) => this.#add(reader));
    // The machine closes its end with its own; until then the port neither fails nor ends.
    port.on('error', () => port.destroy());
    port.on('data', (said: Buffer) => this.#said(said));
    port.on('drain', () => {
      for (const reader of this.#readers) reader.resume();
    });
  }

  /** Takes over `fd`, a connected stream socket. Rejects where `path` or `logFile` cannot be made. */
  static async open(fd: number, path: string, logFile: string): Promise<Console> {
    const port = new Socket({ fd, readable: true, writable: true });
    try {
      const log = openSync(logFile, 'a', 0o600);
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(path, resolve);
      });
      return new Console(port, log, server);
    } catch (error) {
      port.destroy();
      throw error;
    }
  }

  /**
   * Resolves once what a guest that has ended said is in the log: its last words are often why, and whoever hears of its end may end this
   * process.
   */
  async drained(): Promise<void> {
    let before = -1;
    // Each turn of the event loop reads what is there.
    for (let quiet = 0; quiet < QUIET_TURNS; ) {
      await new Promise((resolve) => setImmediate(resolve));
      quiet = this.#heardBytes === before ? quiet + 1 : 0;
      before = this.#heardBytes;
    }
  }

  #add(reader: Socket): void {
    this.#readers.add(reader);
    if (this.#unseen !== null) reader.write(this.#unseen);
    this.#unseen = null;
    reader.on('error', () => reader.destroy());
    reader.on('close', () => this.#readers.delete(reader));
    reader.on('data', (typed: Buffer) => {
      if (!this.#port.write(typed)) reader.pause();
    });
  }

  #said(said: Buffer): void {
    this.#heardBytes += said.length;
    try {
      writeSync(this.#log, said);
    } catch {
      // A full disk costs lines of the log, never the guest.
    }
    if (this.#unseen !== null) this.#unseen = Buffer.concat([this.#unseen, said]).subarray(-BACKLOG_BYTES);
    for (const reader of this.#readers) {
      if (reader.writableLength <= BACKLOG_BYTES) reader.write(said);
    }
  }
}
