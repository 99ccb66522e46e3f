import { DroverError } from '@drover/types';
import { protocolErrors } from '../errors.js';
import { ask, type Question } from './ask.js';
import { type Deadlines, WIRE_DEADLINES, within } from './deadline.js';
import { encodeSlot } from './memory-slot.js';
import { type Exchange, movePages, writePayload } from './payload.js';
import type { RangeTable } from './range-table.js';
import { type ReceiverState, receiverSteps } from './receiver-state.js';
import { type CommandName, Sizes } from './registry.js';
import type { PageSource, Wire } from './wire.js';

export interface SenderOptions {
  /** The main connection. The sender owns it. */
  readonly wire: Wire;
  /** The wire version to state. The receiver takes it or not; a lower one can be tried on a fresh connection. */
  readonly version: number;
  readonly deadlines?: Deadlines;
  /** Cancels whatever is under way, until Complete has been sent. */
  readonly signal?: AbortSignal;
}

/**
 * The sending half of one migration, a method for each request, each resolving when the receiver has answered ok:
 *
 * 1. `start`, then `sendConfig`; for a local migration `passMemory` for each slot before it;
 * 2. `sendMemory`, round after round, here or on {@link import('./memory-sender.js').MemorySender}s; then the guest is paused, and what was
 *    written since is sent;
 * 3. `sendState`, then `complete` or `completePaused`.
 *
 * Errors: `cloud-hypervisor-refused`, `-closed`, `-timeout`, `-violation`, the signal's reason; after any of them the connection is closed,
 * the receiver drops what it has, and the guest may go on here. The one exception is `cloud-hypervisor-in-doubt` of {@link complete}.
 * Rejects with a TypeError for a request that has no place there; nothing is sent then.
 */
export class MigrationSender {
  readonly #version: number;
  readonly #exchange: Exchange;
  /** As the receiver's answers have it. */
  #state: ReceiverState = 'established';

  constructor({ wire, version, deadlines = WIRE_DEADLINES, signal }: SenderOptions) {
    this.#version = version;
    this.#exchange = { wire, deadlines, signal: signal ?? new AbortController().signal };
  }

  /** Where the receiver stands. */
  get state(): ReceiverState {
    return this.#state;
  }

  /** States our wire version. Error of its own: `cloud-hypervisor-version-unknown`; the receiver has done nothing yet (R7). */
  async start(): Promise<void> {
    const version = this.#version;
    try {
      await this.#ask({ command: 'start', version, length: 0, payload: nothing });
    } catch (thrown) {
      if (!isRefusal(thrown)) throw thrown;
      const message = `The receiver does not take wire version ${version} of Cloud Hypervisor's migration: offer a lower one on a fresh connection, or upgrade it.`;
      throw protocolErrors.error('cloud-hypervisor-version-unknown', message, thrown);
    }
  }

  /** The memory of one slot, for a local migration. The descriptor stays the caller's. Error of its own: `cloud-hypervisor-descriptors`. */
  async passMemory(slot: number, descriptor: number): Promise<void> {
    const { descriptors } = this.#exchange.wire;
    if (descriptors === null) {
      const message = 'Memory cannot be passed as descriptors over this connection: send its pages instead.';
      throw protocolErrors.error('cloud-hypervisor-descriptors', message);
    }
    const payload = ({ deadlines, signal }: Exchange) =>
      within({ ms: deadlines.stallMs, what: 'take a descriptor', signal }, (until) =>
        descriptors.send(encodeSlot(slot), descriptor, until),
      );
    await this.#ask({ command: 'memoryFd', version: 0, length: Sizes.slot, payload });
  }

  /** The Config document, byte for byte. */
  async sendConfig(bytes: Uint8Array): Promise<void> {
    const payload = (exchange: Exchange) => writePayload(exchange, bytes, 'the configuration');
    await this.#ask({ command: 'config', version: 0, length: bytes.length, payload });
  }

  /** The pages of a table, from `source`. An empty table sends nothing. `onMoved` hears of each piece, in bytes. */
  async sendMemory(table: RangeTable, source: PageSource, onMoved = ignoreBytes): Promise<void> {
    if (table.count > 0) await this.#ask(memoryQuestion(table, source, onMoved));
  }

  /** The State document, byte for byte. The guest is paused, and every page of it was acknowledged on every connection. */
  async sendState(bytes: Uint8Array): Promise<void> {
    const payload = (exchange: Exchange) => writePayload(exchange, bytes, 'the state');
    await this.#ask({ command: 'state', version: 0, length: bytes.length, payload });
  }

  /**
   * Has the receiver run the guest. Error of its own: `cloud-hypervisor-in-doubt`: no answer came, and the guest may be running there. It must
   * not be let go on here, by no time-out and no retry, until the receiving host was asked (R1, R4). Not cancelled once it is sent.
   */
  async complete(): Promise<void> {
    this.#require('complete');
    this.#exchange.signal.throwIfAborted();
    const exchange = { ...this.#exchange, signal: new AbortController().signal };
    try {
      await this.#ask({ command: 'complete', version: 0, length: 0, payload: nothing }, exchange);
    } catch (thrown) {
      if (isRefusal(thrown)) throw thrown;
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      const message = `The receiver was told to run the guest and gave no answer, so it may be running there; keep it paused here and ask that host. (${why})`;
      throw protocolErrors.error('cloud-hypervisor-in-doubt', message, thrown);
    }
  }

  /** Has the receiver keep the guest paused: a handover by other means follows. Fails like any other request, without a doubt. */
  async completePaused(): Promise<void> {
    await this.#ask({ command: 'completePaused', version: 0, length: 0, payload: nothing });
  }

  /** Has the receiver drop everything; what it would also do if the connection just closed. */
  async abandon(): Promise<void> {
    await this.#ask({ command: 'abandon', version: 0, length: 0, payload: nothing });
  }

  /** Safe at any time, and needed when the migration is over. */
  close(): void {
    this.#exchange.wire.close();
  }

  async #ask(question: Question, exchange = this.#exchange): Promise<void> {
    const next = this.#require(question.command);
    try {
      await ask(exchange, question);
      this.#state = next;
    } catch (thrown) {
      this.#state = 'aborted';
      this.close();
      throw thrown;
    }
  }

  #require(command: CommandName): ReceiverState {
    const next = receiverSteps[this.#state][command];
    if (next === undefined) throw new TypeError(`${command} has no place in the state ${this.#state}`);
    return next;
  }
}

/** A Memory request, on whichever connection. */
export function memoryQuestion(
  table: RangeTable,
  source: PageSource,
  onMoved: (bytes: number) => void,
): Question {
  const payload = async (exchange: Exchange) => {
    await writePayload(exchange, table.bytes, 'the range table');
    await movePages(exchange, table, (move) => source.send(table, move), onMoved);
  };
  return { command: 'memory', version: 0, length: table.bytes.length, payload };
}

/** For who counts elsewhere. */
export const ignoreBytes = (_bytes: number): void => undefined;

const nothing = async (): Promise<void> => undefined;

function isRefusal(thrown: unknown): boolean {
  return thrown instanceof DroverError && thrown.code === 'cloud-hypervisor-refused';
}
