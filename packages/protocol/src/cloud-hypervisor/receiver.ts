import { DroverError, formatDuration, withDeadline } from '@drover/types';
import { protocolErrors } from '../errors.js';
import { answer, COURTESY_MS } from './answer.js';
import { readGuestMemory } from './config.js';
import { type Deadlines, type Wait, WIRE_DEADLINES, within } from './deadline.js';
import type { GuestMemory } from './guest-memory.js';
import { decodeSlot } from './memory-slot.js';
import { type Exchange, movePages, readPayload } from './payload.js';
import { RangeTable } from './range-table.js';
import { type ReceiverState, stepReceiver } from './receiver-state.js';
import { demand, refuse, type WireRefusal, WireViolation } from './refusal.js';
import {
  CLOUD_HYPERVISOR_WIRE_VERSIONS,
  type CommandName,
  RAM_MAPPINGS,
  Sizes,
  WIRE_LIMITS,
  type WireLimits,
} from './registry.js';
import { decodeRequest, type Request } from './request.js';
import type { PageSink, Wire } from './wire.js';

/**
 * What becomes of what arrives. A call that rejects is answered with error and ends the migration; its error is the result's. After a
 * result that is not ok, taking down what was made is the caller's.
 */
export interface ReceivedGuest {
  /** Local migration: the memory of one slot. The descriptor is the callee's from here, also when it throws. */
  adoptMemory(slot: number, descriptor: number): void;
  /** Makes the guest, paused. `config` is to be kept or passed on as it is: its numbers do not survive JSON.parse. */
  configure(config: Uint8Array, memory: GuestMemory, signal: AbortSignal): Promise<void>;
  readonly pages: PageSink;
  /** Loads vCPUs and devices; the guest stays paused. Opaque, and to be passed on as it is. */
  restore(state: Uint8Array, signal: AbortSignal): Promise<void>;
  /**
   * Everything is here. Lets the guest run, unless `paused`. Must reject only if the guest does not run and never will: the sender takes
   * an error as permission to go on itself (R1). Not cancelled; when it takes too long nothing is answered, which permits nothing.
   */
  complete(paused: boolean): Promise<void>;
}

export interface ReceiverProgress {
  readonly state: ReceiverState;
  /** Of guest memory received over all connections. */
  readonly pageBytes: bigint;
}

export interface ReceiverOptions {
  /** The main connection, from its first byte. The receiver owns it. */
  readonly wire: Wire;
  readonly guest: ReceivedGuest;
  /** The wire version that this side speaks; it takes this and the one before. Default: the newest of this release. */
  readonly newest?: number;
  readonly limits?: WireLimits;
  readonly deadlines?: Deadlines;
  /** Cancels, until Complete has been read. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ReceiverProgress) => void;
}

export type ReceiverResult =
  | {
      readonly ok: true;
      /** True: the sender asked that the guest stay paused. False: it runs. */
      readonly paused: boolean;
      /** False: the guest is here, but the last answer may not have reached the sender. */
      readonly answered: boolean;
      readonly pageBytes: bigint;
    }
  | {
      readonly ok: false;
      readonly error: Error;
      /** Where the other side broke the wire's rules: what, where, which limit. */
      readonly refusal: WireRefusal | null;
    };

/** The receiving half of one migration: {@link run} for the main connection, {@link serveMemory} for each more that carries memory. */
export class MigrationReceiver {
  readonly #options: ReceiverOptions;
  readonly #limits: WireLimits;
  readonly #newest: number;
  /** Ends every connection of the migration, with the reason. */
  readonly #end = new AbortController();
  /** Of which a descriptor came. */
  readonly #slots = new Set<number>();
  #state: ReceiverState = 'established';
  #memory: GuestMemory | null = null;
  #pageBytes = 0n;
  /** Memory requests under way on other connections. */
  #underWay = 0;
  /** Puts off the main connection's deadline: it is silent while others carry memory. */
  #others: () => void = () => undefined;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#limits = options.limits ?? WIRE_LIMITS;
    this.#newest = options.newest ?? Math.max(...CLOUD_HYPERVISOR_WIRE_VERSIONS);
  }

  /** Where it stands; `onProgress` is told the same as it changes. */
  get progress(): ReceiverProgress {
    return { state: this.#state, pageBytes: this.#pageBytes };
  }

  /**
   * Serves the main connection to its end. Never rejects. Codes of its error: `cloud-hypervisor-violation`, `-version-unknown`, `-closed`,
   * `-timeout`, `-abandoned`, `-descriptors`, `-in-doubt` (the guest was told to run and did not say in time whether it does: it must be
   * treated as if it did), and what `guest` rejects with.
   */
  async run(): Promise<ReceiverResult> {
    const { wire, signal } = this.#options;
    const cancel = () => this.#end.abort(signal?.reason);
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      const exchange = this.#exchange(wire);
      for (;;) {
        const { command, answered } = await this.#serveMain(exchange);
        this.#tell();
        if (this.#state === 'completed') {
          return { ok: true, paused: command === 'completePaused', answered, pageBytes: this.#pageBytes };
        }
        if (this.#state === 'aborted') {
          throw protocolErrors.error('cloud-hypervisor-abandoned', 'The sender abandoned the migration.');
        }
      }
    } catch (thrown) {
      this.#state = 'aborted';
      this.#tell();
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      return { ok: false, error, refusal: error instanceof WireViolation ? error.refusal : null };
    } finally {
      signal?.removeEventListener('abort', cancel);
      this.#end.abort(protocolErrors.error('cloud-hypervisor-closed', 'The migration is over.'));
      wire.close();
    }
  }

  /**
   * Serves one more connection, after its role was read as precopyMemory, until the sender closes it between two requests or the migration
   * ends. Never rejects: what goes wrong on it ends the migration, and {@link run} says why.
   */
  async serveMemory(wire: Wire): Promise<void> {
    try {
      const exchange = this.#exchange(wire);
      for (;;) {
        // Without a deadline of its own: it may be idle for as long as the main connection lives.
        const header = await wire.read(Sizes.request, exchange.signal);
        if (header === null) return;
        await this.#answering(exchange, header, async (request) => {
          this.#step(request, 'memory');
          this.#underWay++;
          await this.#takeMemory(exchange, request.length).finally(() => this.#underWay--);
        });
      }
    } catch (thrown) {
      this.#end.abort(thrown);
    } finally {
      wire.close();
    }
  }

  /** One request of the main connection and its answer. */
  async #serveMain(exchange: Exchange): Promise<{ command: CommandName; answered: boolean }> {
    const { requestMs: ms } = exchange.deadlines;
    const { signal, wire } = exchange;
    const header = await within({ ms, what: 'send its next request', signal }, (until, moved) => {
      this.#others = moved;
      return wire.read(Sizes.request, until);
    });
    if (header === null) {
      const message = `The sender closed the connection in the state ${this.#state}, before the migration was complete.`;
      throw protocolErrors.error('cloud-hypervisor-closed', message);
    }
    return await this.#answering(exchange, header, async (request) => {
      const next = this.#step(request, null);
      // Of another connection, perhaps, and only just.
      exchange.signal.throwIfAborted();
      await this.#take(exchange, request);
      // Before the answer: what the sender does upon it may come over another connection at once.
      this.#state = next;
    });
  }

  /** The one place that answers. Rejects with what went wrong, after the sender was told that something did. */
  async #answering(
    exchange: Exchange,
    header: Uint8Array,
    perform: (request: Request) => Promise<void>,
  ): Promise<{ command: CommandName; answered: boolean }> {
    const decoded = decodeRequest(header, this.#limits);
    // As Cloud Hypervisor does: a command of another release is not answered.
    if (!decoded.ok && decoded.refusal.code === 'command') throw new WireViolation(decoded.refusal);
    try {
      const request = demand(decoded);
      await perform(request);
      const { wire, deadlines } = exchange;
      const answered = await answer(wire, { status: 'ok', length: 0n }, deadlines.stallMs);
      return { command: request.command, answered };
    } catch (thrown) {
      // An error would permit the sender to go on, and this guest may be running (R1).
      if (!isInDoubt(thrown)) await answer(exchange.wire, { status: 'error', length: 0n }, COURTESY_MS);
      throw thrown;
    }
  }

  /** Where the request leads. Throws a {@link WireViolation}; `only`: the one command that has a place on this connection. */
  #step(request: Request, only: CommandName | null): ReceiverState {
    const { next, refusal } = stepReceiver(this.#state, request, this.#newest);
    if (refusal !== null) throw new WireViolation(refusal);
    if (only !== null && request.command !== only) {
      throw outOfOrder(`is ${request.command}, which only the main connection may carry`);
    }
    if (request.command === 'state' && this.#underWay > 0) {
      throw outOfOrder('is state while memory is on its way on another connection');
    }
    return next;
  }

  /** Everything that a request asks for, but the answer. */
  async #take(exchange: Exchange, { command, length }: Request): Promise<void> {
    const { guest } = this.#options;
    const { workMs } = exchange.deadlines;
    const { signal } = exchange;
    switch (command) {
      case 'memoryFd':
        return await this.#takeDescriptor(exchange);
      case 'config': {
        const config = await readPayload(exchange, length, 'the configuration');
        const memory = demand(readGuestMemory(config));
        this.#requireDescriptors(memory);
        this.#memory = memory;
        const wait: Wait = { ms: workMs, by: 'this side', what: 'make the guest', signal };
        return await within(wait, (until) => guest.configure(config, memory, until));
      }
      case 'memory':
        return await this.#takeMemory(exchange, length);
      case 'state': {
        const state = await readPayload(exchange, length, 'the state');
        const wait: Wait = { ms: workMs, by: 'this side', what: 'restore the guest', signal };
        return await within(wait, (until) => guest.restore(state, until));
      }
      case 'complete':
      case 'completePaused':
        return await this.#complete(workMs, command === 'completePaused');
    }
  }

  async #takeMemory(exchange: Exchange, length: number): Promise<void> {
    const table = demand(RangeTable.decode(await readPayload(exchange, length, 'the range table')));
    const wrong = this.#memory?.check(table) ?? null;
    if (wrong !== null) throw new WireViolation(wrong);
    const { pages } = this.#options.guest;
    await movePages(
      exchange,
      table,
      (move) => pages.receive(table, move),
      (bytes) => {
        this.#pageBytes += BigInt(bytes);
        this.#others();
        this.#tell();
      },
    );
  }

  async #takeDescriptor({ wire, deadlines, signal }: Exchange): Promise<void> {
    const { descriptors } = wire;
    if (descriptors === null) {
      const message = 'The sender passes its memory as descriptors, which this connection cannot carry here.';
      throw protocolErrors.error('cloud-hypervisor-descriptors', message);
    }
    const wait = { ms: deadlines.stallMs, what: 'send the descriptor', signal };
    const { bytes, descriptor } = await within(wait, (until) => descriptors.receive(Sizes.slot, until));
    const slot = demand(decodeSlot(bytes));
    if (this.#slots.has(slot) || this.#slots.size === RAM_MAPPINGS) {
      descriptors.discard(descriptor);
      const why = this.#slots.has(slot) ? 'which came before' : `after ${RAM_MAPPINGS} others`;
      throw new WireViolation(refuse('slot', 'memory-fd.slot', 0, `is ${slot}, ${why}`).refusal);
    }
    this.#slots.add(slot);
    this.#options.guest.adoptMemory(slot, descriptor);
  }

  /** With descriptors, each slot has one: memory without would be empty, and nobody would send it. */
  #requireDescriptors({ mappings }: GuestMemory): void {
    if (this.#slots.size === 0) return;
    const bare = mappings.find(({ slot }) => !this.#slots.has(slot));
    if (bare === undefined && mappings.length === this.#slots.size) return;
    const message =
      bare === undefined
        ? `has ${mappings.length} slots, but ${this.#slots.size} descriptors came`
        : `has the slot ${bare.slot}, for which no descriptor came`;
    throw new WireViolation(refuse('slot', 'guest_ram_mappings', 0, message).refusal);
  }

  async #complete(ms: number, paused: boolean): Promise<void> {
    await withDeadline(this.#options.guest.complete(paused), ms, () =>
      protocolErrors.error(
        'cloud-hypervisor-in-doubt',
        `The guest did not say within ${formatDuration(ms)} whether it runs; it must be treated as if it did.`,
      ),
    );
  }

  #exchange(wire: Wire): Exchange {
    const deadlines = this.#options.deadlines ?? WIRE_DEADLINES;
    return { wire, deadlines, signal: this.#end.signal };
  }

  #tell(): void {
    try {
      this.#options.onProgress?.(this.progress);
    } catch {
      // A display that fails must not cost a guest, least of all between Complete and its answer.
    }
  }
}

function isInDoubt(thrown: unknown): boolean {
  return thrown instanceof DroverError && thrown.code === 'cloud-hypervisor-in-doubt';
}

function outOfOrder(message: string): WireViolation {
  return new WireViolation(refuse('order', 'request.command', 0, message).refusal);
}
