import type { RangeTable } from './range-table.js';

/**
 * One connection, as this library uses it: control bytes go through here, pages and descriptors past it. A socket of Node is one through
 * {@link import('./stream-wire.js').StreamWire}; native code that owns the descriptor is another.
 */
export interface Wire {
  /**
   * Exactly `size` bytes; what follows them stays on the connection for whoever reads next. null when the other side closed before the
   * first of them. Errors: `cloud-hypervisor-closed` when it closed between them or the connection was lost, the signal's reason.
   */
  read(size: number, signal: AbortSignal): Promise<Uint8Array | null>;
  /** Resolves when the connection has taken all of it. Errors: `cloud-hypervisor-closed`, the signal's reason. */
  write(bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** null where the connection cannot pass descriptors: TCP, and everything that Node's own sockets are. */
  readonly descriptors: DescriptorPassing | null;
  /** Ends the connection; what was written still gets there. Safe to call twice. */
  close(): void;
}

/** Descriptors beside bytes, over a unix socket (SCM_RIGHTS). Node has no call for it: native code is to bring it. */
export interface DescriptorPassing {
  /** All of `bytes` and one descriptor in one message. The descriptor stays the caller's. */
  send(bytes: Uint8Array, descriptor: number, signal: AbortSignal): Promise<void>;
  /** Exactly `size` bytes that came with exactly one descriptor, which is the caller's from then on. */
  receive(size: number, signal: AbortSignal): Promise<ReceivedDescriptor>;
  /** Closes a descriptor that was received and that nobody took. */
  discard(descriptor: number): void;
}

export interface ReceivedDescriptor {
  readonly bytes: Uint8Array;
  readonly descriptor: number;
}

/** What a mover of pages works with. */
export interface PageMove {
  readonly wire: Wire;
  /** Aborts when nothing was reported moved for too long, or the migration ended. */
  readonly signal: AbortSignal;
  /** To be told as pages move: it puts the deadline off and is what progress is counted by. */
  moved(bytes: number): void;
}

/**
 * Takes the pages of a table off the connection and into the guest's memory, in the table's order: exactly `table.pageBytes` bytes. The
 * bytes are the caller's business from end to end (R9).
 */
export interface PageSink {
  receive(table: RangeTable, move: PageMove): Promise<void>;
}

/** Puts the pages of a table on the connection, in the table's order: exactly `table.pageBytes` bytes. */
export interface PageSource {
  send(table: RangeTable, move: PageMove): Promise<void>;
}
