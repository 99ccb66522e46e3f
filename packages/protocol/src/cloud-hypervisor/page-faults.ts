/**
 * Post-copy: the guest runs at the receiver already, and pages are asked for one by one over a connection of their own, which the
 * sender opened.
 */
import { answer, COURTESY_MS } from './answer.js';
import { ask } from './ask.js';
import { encodeConnectionRole } from './connection-role.js';
import { Coverage } from './coverage.js';
import { type Deadlines, WIRE_DEADLINES, within } from './deadline.js';
import type { GuestMemory } from './guest-memory.js';
import { type Exchange, movePages, readPayload, writePayload } from './payload.js';
import { type MemoryRange, RangeTable } from './range-table.js';
import { demand, refuse, WireViolation } from './refusal.js';
import { PAGE_FAULT_BYTES, Sizes } from './registry.js';
import { decodeRequest } from './request.js';
import type { PageSink, PageSource, Wire } from './wire.js';

export interface PageFaultOptions {
  /** The connection, from its first byte at the sender; at the receiver after its role was read. */
  readonly wire: Wire;
  readonly deadlines?: Deadlines;
  readonly signal?: AbortSignal;
}

export interface ServedPages {
  /**
   * True: every byte of the guest's memory was asked for and sent. Only then has the receiver all of it; that it closed says nothing, since
   * a receiver that died closes as well.
   */
  readonly complete: boolean;
  /** Different bytes that were sent. */
  readonly pageBytes: bigint;
}

/**
 * The sender's end: says what the connection is for, then answers until the receiver closes between two requests. `source` null: the memory
 * is shared, and an answer carries no pages.
 *
 * Errors: `cloud-hypervisor-violation`, `-closed` (inside a request), `-timeout`, the signal's reason. The guest runs at the receiver and this
 * side has what it lacks: nothing of it may be freed after an error, or before the result is complete.
 */
export async function servePageFaults(
  options: PageFaultOptions & { readonly memory: GuestMemory; readonly source: PageSource | null },
): Promise<ServedPages> {
  const { memory, source } = options;
  const exchange = exchangeOf(options);
  const { wire, deadlines, signal } = exchange;
  const served = new Coverage();
  try {
    await writePayload(exchange, encodeConnectionRole('fault'), "a connection's role");
    for (;;) {
      const wait = { ms: deadlines.requestMs, what: 'ask for its next page', signal };
      const header = await within(wait, (until) => wire.read(Sizes.request, until));
      if (header === null) break;
      const table = await readFault(exchange, header, memory);
      const length = source === null ? 0n : table.pageBytes;
      await answer(wire, { status: 'ok', length }, deadlines.stallMs);
      if (source !== null) await movePages(exchange, table, (move) => source.send(table, move), ignore);
      for (const { gpa, length } of table) served.add(gpa, gpa + length);
    }
  } finally {
    wire.close();
  }
  return { complete: served.bytes === memory.size, pageBytes: served.bytes };
}

/** The receiver's end, for the wire of a connection whose role was read as fault. */
export class PageFaults {
  readonly #exchange: Exchange;

  constructor(options: PageFaultOptions) {
    this.#exchange = exchangeOf(options);
  }

  /**
   * Has the pages of one range, 1 byte to 1 GiB, put where they belong by `sink`. One at a time. False: the memory is shared, so nothing was
   * sent and the pages are there. Errors: those of a sender's requests; the guest must then not go on without the pages.
   */
  async fetch(range: MemoryRange, sink: PageSink): Promise<boolean> {
    const exchange = this.#exchange;
    const table = RangeTable.of([range]);
    const payload = () => writePayload(exchange, table.bytes, 'the range of a page');
    const answers = [0n, table.pageBytes];
    const question = { command: 'pageFault', version: 0, length: Sizes.range, payload, answers } as const;
    try {
      const { length } = await ask(exchange, question);
      if (length === 0n) return false;
      await movePages(exchange, table, (move) => sink.receive(table, move), ignore);
      return true;
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  close(): void {
    this.#exchange.wire.close();
  }
}

/** The range that is asked for. What is wrong with it is answered before it is thrown. */
async function readFault(exchange: Exchange, header: Uint8Array, memory: GuestMemory): Promise<RangeTable> {
  const request = decodeRequest(header);
  if (!request.ok && request.refusal.code === 'command') throw new WireViolation(request.refusal);
  try {
    const { command, length } = demand(request);
    if (command !== 'pageFault') {
      const message = `is ${command}, which has no place on a fault connection`;
      throw new WireViolation(refuse('order', 'request.command', 0, message).refusal);
    }
    const table = demand(RangeTable.decode(await readPayload(exchange, length, 'the range of a page')));
    const { pageBytes } = table;
    if (pageBytes === 0n || pageBytes > PAGE_FAULT_BYTES) {
      const message = `is ${pageBytes}, not 1 to ${PAGE_FAULT_BYTES}`;
      throw new WireViolation(refuse('range', 'range-table[0].length', 8, message).refusal);
    }
    const wrong = memory.check(table);
    if (wrong !== null) throw new WireViolation(wrong);
    return table;
  } catch (thrown) {
    await answer(exchange.wire, { status: 'error', length: 0n }, COURTESY_MS);
    throw thrown;
  }
}

function exchangeOf({ wire, deadlines = WIRE_DEADLINES, signal }: PageFaultOptions): Exchange {
  return { wire, deadlines, signal: signal ?? new AbortController().signal };
}

const ignore = (): void => undefined;
