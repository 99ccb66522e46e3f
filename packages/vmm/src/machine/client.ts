/**
 * The agent's end of a machine's socket: greeting, requests matched to answers by id, events, a deadline on every wait. A machine follows requests
 * side by side, so that one that waits holds up no other.
 */
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  encodeMachineRequest,
  LineSplitter,
  MACHINE_LINE_BYTES,
  MACHINE_PROTOCOL_VERSIONS,
  type MachineAnswer,
  type MachineArguments,
  type MachineEnding,
  type MachineGreeting,
  type MachineProtocolVersion,
  type MachineRequestName,
  machineEvents,
  machineRequest,
  parseMachineLine,
} from '@drover/protocol';
import { type DroverError, formatVersions, newestCommon, quoteBriefly } from '@drover/types';
import { vmmErrors } from '../errors.js';

export interface MachineClientOptions {
  /** Who is spoken to, for messages. */
  readonly peer: string;
  readonly requestTimeoutMs: number;
  /** What is known when the connection ends by itself; empty when nothing. */
  readonly lastWords: () => string;
}

export interface MachineWait {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The cause of a `machine-refused`: the machine's own code and sentence. */
export class MachineRefusedRequest extends Error {
  override readonly name = 'MachineRefusedRequest';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

interface Pending {
  readonly request: MachineRequestName;
  resolve(answer: unknown): void;
  reject(error: DroverError): void;
}

export class MachineClient {
  readonly #socket: Socket;
  readonly #options: MachineClientOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #endWaits = new Set<(error: DroverError) => void>();
  readonly #endingListeners = new Set<(ending: MachineEnding) => void>();
  readonly #endListeners = new Set<() => void>();
  #greeted: ((greeting: MachineGreeting) => void) | null = null;
  #greeting: MachineGreeting | null = null;
  #version: MachineProtocolVersion = MACHINE_PROTOCOL_VERSIONS[0];
  #nextId = 1;
  #ended: DroverError | null = null;

  private constructor(socket: Socket, options: MachineClientOptions) {
    this.#socket = socket;
    this.#options = options;
    const lines = new LineSplitter(MACHINE_LINE_BYTES);
    socket.on('data', (piece: Buffer) => {
      if (this.#ended) return;
      const complete = lines.push(piece);
      if (complete === null)
        this.#end(this.#violation(`sent a line of more than ${MACHINE_LINE_BYTES} bytes`));
      for (const line of complete ?? []) this.#receive(line);
    });
    socket.on('error', (cause: Error) => this.#end(this.#closedError(cause)));
    socket.on('close', () => this.#end(this.#closedError()));
  }

  /** Takes over `socket`. Rejects with `machine-version-unknown`, `machine-timeout`, `machine-closed`, `machine-protocol`, `machine-cancelled`. */
  static async open(
    socket: Socket,
    options: MachineClientOptions,
    wait: MachineWait = {},
  ): Promise<MachineClient> {
    const client = new MachineClient(socket, options);
    try {
      const greeting = await client.#wait<MachineGreeting>(wait, 'greeting', (resolve) => {
        client.#greeted = resolve;
        return () => {
          client.#greeted = null;
        };
      });
      const version = newestCommon(MACHINE_PROTOCOL_VERSIONS, greeting.versions);
      if (version === null) {
        throw vmmErrors.error(
          'machine-version-unknown',
          `${options.peer} (release ${greeting.release}) speaks ${formatVersions(greeting.versions)} of the machine protocol, this agent ${formatVersions(MACHINE_PROTOCOL_VERSIONS)}. Use an agent of a release that speaks one of them.`,
        );
      }
      client.#greeting = greeting;
      client.#version = version as MachineProtocolVersion;
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  get release(): string {
    return this.#greeting?.release ?? '';
  }

  /** Whether the machine's version has this request. */
  knows(request: MachineRequestName): boolean {
    return machineRequest(this.#version, request) !== null;
  }

  /** Kinds and versions in which the machine writes its state. */
  get deviceStates(): Readonly<Record<string, number>> {
    return this.#greeting?.deviceStates ?? {};
  }

  /** Why the connection ended; null while it is open. */
  get ended(): DroverError | null {
    return this.#ended;
  }

  /**
   * Rejects with `machine-version-unknown` where {@link knows} says no, `machine-refused` (cause: {@link MachineRefusedRequest}), `machine-timeout`, `machine-cancelled` or what ended the connection.
   * After a time-out or cancellation the machine may still follow the request.
   */
  async request<Name extends MachineRequestName>(
    request: Name,
    args: MachineArguments<Name>,
    wait: MachineWait = {},
  ): Promise<MachineAnswer<Name>> {
    const definition = machineRequest(this.#version, request);
    if (definition === null) {
      throw vmmErrors.error(
        'machine-version-unknown',
        `${this.#options.peer} (release ${this.release}) speaks version ${this.#version} of the machine protocol, which has no ${request}. Start its instance anew under this release.`,
      );
    }
    const id = this.#nextId++;
    const answer = await this.#wait<unknown>(wait, `answer to ${request}`, (resolve, reject) => {
      this.#pending.set(id, { request, resolve, reject });
      this.#socket.write(encodeMachineRequest({ id, version: this.#version, request, arguments: args }));
      return () => this.#pending.delete(id);
    });
    const parsed = definition.answer.safeParse(answer);
    if (parsed.success) return parsed.data as MachineAnswer<Name>;
    const violation = this.#violation(`answered ${request} with what is no answer to it`);
    this.#end(violation);
    throw violation;
  }

  /** The guest ended by itself. */
  onEnding(listener: (ending: MachineEnding) => void): () => void {
    this.#endingListeners.add(listener);
    return () => this.#endingListeners.delete(listener);
  }

  /** Called once when the connection ends for any reason but {@link close}. */
  onEnd(listener: () => void): () => void {
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  /** Closes the connection; the machine goes on. Pending requests reject. */
  close(): void {
    this.#endListeners.clear();
    this.#end(vmmErrors.error('machine-closed', `The connection to ${this.#options.peer} was closed.`));
  }

  /** One wait: settles by `start`'s callbacks, the deadline, the signal or the end of the connection, whatever is first. */
  #wait<T>(
    { timeoutMs = this.#options.requestTimeoutMs, signal }: MachineWait,
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
      const late = `${this.#options.peer} gave no ${what} within ${Math.round(timeoutMs)} ms.`;
      const timer = setTimeout(() => fail(vmmErrors.error('machine-timeout', late)), timeoutMs);
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
    const message = parseMachineLine(line);
    switch (message?.kind) {
      case 'greeting':
        this.#greeted?.(message.greeting);
        return;
      case 'event':
        this.#happened(message.name, message.data);
        return;
      case 'answer':
      case 'refused':
        this.#settle(message);
        return;
      default:
        this.#end(this.#violation(`sent what is not of its protocol: ${quoteBriefly(line, 80)}`));
    }
  }

  /** An event that this release does not know is left alone. */
  #happened(name: string, data: unknown): void {
    if (name !== 'ended') return;
    const ending = machineEvents[this.#version].ended.safeParse(data);
    if (!ending.success) return;
    for (const listener of [...this.#endingListeners]) listener(ending.data);
  }

  #settle(message: Extract<ReturnType<typeof parseMachineLine>, { kind: 'answer' | 'refused' }>): void {
    if (message.id >= this.#nextId) {
      this.#end(this.#violation('answered a request that was never made'));
      return;
    }
    // None where the caller gave up.
    const pending = this.#pending.get(message.id);
    if (message.kind === 'answer') {
      pending?.resolve(message.answer);
      return;
    }
    pending?.reject(
      vmmErrors.error(
        'machine-refused',
        `${this.#options.peer} refused ${pending.request}: ${message.message}`,
        new MachineRefusedRequest(message.code, message.message),
      ),
    );
  }

  #end(error: DroverError): void {
    if (this.#ended) return;
    this.#ended = error;
    this.#socket.destroy();
    for (const fail of [...this.#endWaits]) fail(error);
    for (const listener of [...this.#endListeners]) listener();
    this.#endListeners.clear();
    this.#endingListeners.clear();
  }

  #closedError(cause?: Error): DroverError {
    const lastWords = this.#options.lastWords();
    const said = lastWords === '' ? '' : ` Its last words: ${lastWords}`;
    return vmmErrors.error('machine-closed', `${this.#options.peer} closed its connection.${said}`, cause);
  }

  #violation(what: string): DroverError {
    return vmmErrors.error('machine-protocol', `${this.#options.peer} ${what}; the connection was closed.`);
  }

  #cancelled(what: string): DroverError {
    return vmmErrors.error('machine-cancelled', `Waiting for ${this.#options.peer}'s ${what} was cancelled.`);
  }
}

/**
 * Connects and reads the greeting, all within `timeoutMs`. A socket that is not there yet is waited for: the machine makes it while it
 * starts.
 */
export async function connectMachine(
  path: string,
  options: MachineClientOptions,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<MachineClient> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (signal?.aborted) {
      throw vmmErrors.error('machine-cancelled', `Waiting for ${options.peer} to start was cancelled.`);
    }
    const left = deadline - performance.now();
    const outcome = await tryConnect(path);
    if ('socket' in outcome) {
      return MachineClient.open(outcome.socket, options, {
        timeoutMs: Math.max(1, left),
        ...(signal && { signal }),
      });
    }
    if (left <= 0) {
      throw vmmErrors.error(
        'machine-timeout',
        `${options.peer} did not open its socket ${path} within ${timeoutMs} ms (${outcome.failure.message}).`,
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
