/**
 * A QMP client: greeting, capabilities, commands matched to replies by id, events, a deadline and an abort signal on every
 * wait. QEMU executes the commands of one connection in order, so commands may be sent without waiting for the one before;
 * only those sent out of band overtake.
 */
import { createConnection, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  encodeQmpCommand,
  LineSplitter,
  parseQmpLine,
  type QmpEvent,
  type QmpMessage,
} from '@drover/protocol';
import { type DroverError, quoteBriefly } from '@drover/types';
import { vmmErrors } from '../errors.js';

export interface QmpOptions {
  /** Who is spoken to, for messages. */
  readonly peer: string;
  readonly handshakeTimeoutMs: number;
  readonly commandTimeoutMs: number;
  /** Bytes of one line; QEMU's longest answers are some 100 KiB. */
  readonly maxLineBytes: number;
  /** What is known when the connection ends by itself, e.g. the end of QEMU's log; empty when nothing. */
  readonly lastWords: () => string;
}

export interface QmpWait {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The cause of a `qmp-command-failed`: QEMU's own error class and text. */
export class QmpErrorReply extends Error {
  override readonly name = 'QmpErrorReply';
  readonly errorClass: string;

  constructor(errorClass: string, description: string) {
    super(description);
    this.errorClass = errorClass;
  }
}

interface Pending {
  readonly command: string;
  resolve(value: unknown): void;
  reject(error: DroverError): void;
}

export class QmpClient {
  readonly #stream: Duplex;
  readonly #options: QmpOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #eventListeners = new Set<(event: QmpEvent) => void>();
  /** Fails each wait under way when the connection ends. */
  readonly #endWaits = new Set<(error: DroverError) => void>();
  readonly #endListeners = new Set<(error: DroverError) => void>();
  #nextId = 1;
  #ended: DroverError | null = null;
  #version: string | null = null;
  #outOfBand = false;

  private constructor(stream: Duplex, options: QmpOptions) {
    this.#stream = stream;
    this.#options = options;
    const lines = new LineSplitter(options.maxLineBytes);
    stream.on('data', (chunk: Buffer) => {
      if (this.#ended) return;
      const complete = lines.push(chunk);
      if (complete === null) {
        this.#end(this.#violation(`sent a line of more than ${options.maxLineBytes} bytes`));
        return;
      }
      for (const line of complete) this.#receive(line);
    });
    stream.on('error', (cause: Error) => this.#end(this.#closedError(cause)));
    stream.on('end', () => this.#end(this.#closedError()));
    stream.on('close', () => this.#end(this.#closedError()));
  }

  /** Takes over `stream`; resolves when the handshake is done, destroys the stream when it fails. */
  static async open(stream: Duplex, options: QmpOptions, signal?: AbortSignal): Promise<QmpClient> {
    const client = new QmpClient(stream, options);
    const deadline = performance.now() + options.handshakeTimeoutMs;
    try {
      await client.#greeted({
        timeoutMs: options.handshakeTimeoutMs,
        ...(signal && { signal }),
      });
      await client.execute('qmp_capabilities', client.#outOfBand ? { enable: ['oob'] } : undefined, {
        timeoutMs: Math.max(1, deadline - performance.now()),
        ...(signal && { signal }),
      });
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** QEMU's version, e.g. `7.2.22`. */
  get version(): string {
    return this.#version ?? '';
  }

  /** Why the connection ended; null while it is open. */
  get ended(): DroverError | null {
    return this.#ended;
  }

  /**
   * Runs one command. Rejects with `qmp-command-failed` (cause: {@link QmpErrorReply}), `qmp-timeout`, `qmp-cancelled` or what
   * ended the connection. After a time-out or cancellation QEMU may still execute the command.
   */
  execute(command: string, args?: object, wait: QmpWait = {}): Promise<unknown> {
    return this.#execute('execute', command, args, wait);
  }

  /** Like {@link execute}, but QEMU runs it at once, even while its main loop is blocked. Few commands allow it. */
  executeOutOfBand(command: string, args?: object, wait: QmpWait = {}): Promise<unknown> {
    return this.#execute(this.#outOfBand ? 'exec-oob' : 'execute', command, args, wait);
  }

  #execute(
    key: 'execute' | 'exec-oob',
    command: string,
    args: object | undefined,
    wait: QmpWait,
  ): Promise<unknown> {
    const id = this.#nextId++;
    return this.#wait(wait, `answer to ${command}`, (resolve, reject) => {
      this.#pending.set(id, { command, resolve, reject });
      this.#stream.write(encodeQmpCommand({ key, command, arguments: args, id }));
      return () => this.#pending.delete(id);
    });
  }

  /** Resolves with the first `select(event)` that is not undefined. Listens from the call on, not from the await on. */
  next<T>(what: string, select: (event: QmpEvent) => T | undefined, wait: QmpWait = {}): Promise<T> {
    return this.#wait(wait, what, (resolve, _reject) => {
      return this.onEvent((event) => {
        const selected = select(event);
        if (selected !== undefined) resolve(selected);
      });
    });
  }

  /** Listeners run in the order of QEMU's lines: an event that QEMU sent before a reply is heard before it. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  /** Called once when the connection ends for any reason but {@link close}. */
  onEnd(listener: (error: DroverError) => void): () => void {
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  /** Closes the connection; QEMU goes on. Pending commands reject. */
  close(): void {
    this.#endListeners.clear();
    this.#end(vmmErrors.error('qmp-closed', `The monitor connection to ${this.#options.peer} was closed.`));
  }

  #greeted(wait: QmpWait): Promise<void> {
    return this.#wait(wait, 'greeting', (resolve, reject) => {
      this.#pending.set(0, { command: 'greeting', resolve: () => resolve(undefined), reject });
      return () => this.#pending.delete(0);
    });
  }

  /** One wait: settles by `start`'s callbacks, the deadline, the signal or the end of the connection, whatever is first. */
  #wait<T>(
    { timeoutMs = this.#options.commandTimeoutMs, signal }: QmpWait,
    what: string,
    start: (resolve: (value: T) => void, reject: (error: DroverError) => void) => () => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      if (signal?.aborted) return reject(this.#cancelled(what));
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#endWaits.delete(fail);
        stop();
      };
      const fail = (error: DroverError): void => {
        finish();
        reject(error);
      };
      const onAbort = (): void => fail(this.#cancelled(what));
      const timer = setTimeout(
        () =>
          fail(
            vmmErrors.error(
              'qmp-timeout',
              `${this.#options.peer} gave no ${what} within ${Math.round(timeoutMs)} ms. Check whether its disks answer and whether another client holds its monitor.`,
            ),
          ),
        timeoutMs,
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#endWaits.add(fail);
      const stop = start((value) => {
        finish();
        resolve(value);
      }, fail);
    });
  }

  #receive(line: string): void {
    if (this.#ended) return;
    const message = parseQmpLine(line);
    if (message === null) {
      this.#end(this.#violation(`sent what is not QMP: ${quoteBriefly(line, 80)}`));
      return;
    }
    if (message.kind === 'event') {
      for (const listener of [...this.#eventListeners]) listener(message.event);
      return;
    }
    if (message.kind === 'greeting') {
      this.#version = message.version;
      this.#outOfBand = message.outOfBand;
      this.#pending.get(0)?.resolve(undefined);
      return;
    }
    this.#settle(message);
  }

  #settle(message: Exclude<QmpMessage, { kind: 'event' | 'greeting' }>): void {
    if (message.id === null || message.id < 1 || message.id >= this.#nextId) {
      this.#end(this.#violation('answered a command that was never given'));
      return;
    }
    const pending = this.#pending.get(message.id);
    // A late answer to a command whose caller gave up.
    if (!pending) return;
    if (message.kind === 'return') {
      pending.resolve(message.value);
      return;
    }
    pending.reject(
      vmmErrors.error(
        'qmp-command-failed',
        `${this.#options.peer} refused ${pending.command}: ${message.description}`,
        new QmpErrorReply(message.errorClass, message.description),
      ),
    );
  }

  #end(error: DroverError): void {
    if (this.#ended) return;
    this.#ended = error;
    this.#stream.destroy();
    for (const fail of [...this.#endWaits]) fail(error);
    for (const listener of [...this.#endListeners]) listener(error);
    this.#endListeners.clear();
    this.#eventListeners.clear();
  }

  #closedError(cause?: Error): DroverError {
    const lastWords = this.#options.lastWords();
    const said = lastWords === '' ? '' : ` Its last words: ${lastWords}`;
    return vmmErrors.error(
      'qmp-closed',
      `${this.#options.peer} closed its monitor connection.${said}`,
      cause,
    );
  }

  #violation(what: string): DroverError {
    return vmmErrors.error('qmp-protocol', `${this.#options.peer} ${what}; the connection was closed.`);
  }

  #cancelled(what: string): DroverError {
    return vmmErrors.error('qmp-cancelled', `Waiting for ${this.#options.peer}'s ${what} was cancelled.`);
  }
}

export interface QmpConnectOptions extends QmpOptions {
  readonly path: string;
  /** Ends the attempt early, e.g. when the process died; also cancels. */
  readonly signal?: AbortSignal;
}

/**
 * Connects to a monitor socket and does the handshake, all within `handshakeTimeoutMs`. A socket that is not there yet
 * is waited for: QEMU makes it while it starts.
 */
export async function connectQmp(options: QmpConnectOptions): Promise<QmpClient> {
  const deadline = performance.now() + options.handshakeTimeoutMs;
  for (;;) {
    if (options.signal?.aborted) {
      throw vmmErrors.error('qmp-cancelled', `Waiting for ${options.peer} to start was cancelled.`);
    }
    const left = deadline - performance.now();
    const outcome = await tryConnect(options.path);
    if ('socket' in outcome) {
      return QmpClient.open(
        outcome.socket,
        { ...options, handshakeTimeoutMs: Math.max(1, left) },
        options.signal,
      );
    }
    if (left <= 0) {
      throw vmmErrors.error(
        'qmp-timeout',
        `${options.peer} did not open its monitor socket ${options.path} within ${options.handshakeTimeoutMs} ms (${outcome.failure.message}).`,
        outcome.failure,
      );
    }
    await sleep(2);
  }
}

/** Connecting to a unix socket succeeds or fails at once: the backlog is the kernel's. */
function tryConnect(path: string): Promise<{ socket: Socket } | { failure: Error }> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const onError = (failure: Error): void => {
      socket.destroy();
      resolve({ failure });
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      resolve({ socket });
    });
  });
}
