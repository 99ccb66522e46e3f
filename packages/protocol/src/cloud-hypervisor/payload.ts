import { protocolErrors } from '../errors.js';
import { type Deadlines, within } from './deadline.js';
import type { RangeTable } from './range-table.js';
import { refuse, WireViolation } from './refusal.js';
import type { PageMove, Wire } from './wire.js';

/** Bytes that are asked of a connection at once, so that memory is taken for what arrives and not for what is announced. */
const PIECE_BYTES = 1 << 20;

/** Everything that one exchange needs of its surroundings. */
export interface Exchange {
  readonly wire: Wire;
  readonly deadlines: Deadlines;
  readonly signal: AbortSignal;
}

/** `size` bytes; whether they may be so many was checked before. Errors: `cloud-hypervisor-closed`, `-timeout`, the signal's reason. */
export async function readPayload(exchange: Exchange, size: number, what: string): Promise<Uint8Array> {
  const { wire, deadlines, signal } = exchange;
  let bytes = new Uint8Array(Math.min(size, PIECE_BYTES));
  for (let filled = 0; filled < size; ) {
    const wanted = Math.min(size - filled, PIECE_BYTES);
    const piece = await within({ ms: deadlines.stallMs, what: `send the rest of ${what}`, signal }, (until) =>
      wire.read(wanted, until),
    );
    if (piece === null) throw endedInside(`${filled} of ${size} bytes of ${what}`);
    if (filled + piece.length > bytes.length) {
      const grown = new Uint8Array(Math.min(size, bytes.length * 2));
      grown.set(bytes.subarray(0, filled));
      bytes = grown;
    }
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes;
}

export async function writePayload(exchange: Exchange, bytes: Uint8Array, what: string): Promise<void> {
  const { wire, deadlines, signal } = exchange;
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    await within({ ms: deadlines.stallMs, what: `take ${what}`, signal }, (until) =>
      wire.write(bytes.subarray(at, at + PIECE_BYTES), until),
    );
  }
}

/**
 * Has the pages of a table moved by `mover`, which has as long as bytes keep moving. That it moved as many as the table names is
 * checked: what is missing would be a wrong byte in the guest. `onMoved` hears of progress.
 */
export async function movePages(
  exchange: Exchange,
  table: RangeTable,
  mover: (move: PageMove) => Promise<void>,
  onMoved: (bytes: number) => void,
): Promise<void> {
  const { wire, deadlines, signal } = exchange;
  let total = 0n;
  await within({ ms: deadlines.stallMs, what: 'move any page', signal }, (until, moved) =>
    mover({
      wire,
      signal: until,
      moved: (bytes) => {
        moved();
        total += BigInt(bytes);
        onMoved(bytes);
      },
    }),
  );
  if (total === table.pageBytes) return;
  const message = `has ${table.pageBytes} bytes of pages, of which ${total} were moved`;
  throw new WireViolation(refuse('pages', 'range-table', 0, message).refusal);
}

export function endedInside(what: string) {
  return protocolErrors.error(
    'cloud-hypervisor-closed',
    `The other side closed the connection after ${what}.`,
  );
}
