/**
 * Reads a journal's bytes after a crash.
 *
 * Appends are serial and each is synced before the next begins, so a crash can tear only the last line: some of its sectors, with
 * the zeros of the preallocated file where the rest was to be. That tail is cut. Anything else that does not hold was once
 * synced and is now damaged: it is refused, for a lost RELINQUISHED would let a guest run twice (R1). That holds for the last line as
 * well: what has all its bytes but one was not torn.
 */
import { decodeLine, MAX_LINE_BYTES } from './record.js';

export type ParsedJournal =
  | {
      readonly kind: 'read';
      readonly documents: readonly unknown[];
      /** Bytes that hold; the rest is to be cleared. */
      readonly end: number;
      readonly torn: boolean;
    }
  | { readonly kind: 'damaged'; readonly offset: number; readonly reason: string };

const NEWLINE = 0x0a;
/** The smallest piece that a disk writes whole, bytes. */
const SECTOR_BYTES = 512;

export function parseJournal(bytes: Buffer): ParsedJournal {
  const documents: unknown[] = [];
  let offset = 0;
  for (;;) {
    const newline = bytes.indexOf(NEWLINE, offset);
    const document = newline < 0 ? null : decodeLine(bytes.subarray(offset, newline));
    if (document === null) break;
    documents.push(document);
    offset = newline + 1;
  }
  const used = usedLength(bytes, offset);
  if (used === 0) return { kind: 'read', documents, end: offset, torn: false };
  const reason = whyNotTorn(bytes.subarray(offset, offset + used), offset);
  return reason === null
    ? { kind: 'read', documents, end: offset, torn: true }
    : { kind: 'damaged', offset, reason };
}

/** Length of what follows `offset`, without trailing zeros. */
function usedLength(bytes: Buffer, offset: number): number {
  let end = bytes.length;
  while (end > offset && bytes[end - 1] === 0) end -= 1;
  return end - offset;
}

/** Null when `tail` can be one line that a crash tore; otherwise what it is. */
function whyNotTorn(tail: Buffer, position: number): string | null {
  if (tail.length > MAX_LINE_BYTES) return 'more than one line does not hold';
  const newline = tail.indexOf(NEWLINE);
  if (newline >= 0 && newline !== tail.length - 1) return 'a line that does not hold is followed by another';
  const whole = decodeLine(tail.subarray(0, -1)) !== null;
  if (newline < 0) return whole ? 'the end of a complete line is another byte' : zerosWithin(tail, position);
  return tail.includes(0) ? zerosWithin(tail, position) : 'the checksum of a complete line does not hold';
}

/**
 * A disk takes sectors whole or not at all. So zeros between written bytes are torn only as whole sectors; anywhere else they are
 * bytes that were synced and have changed.
 */
function zerosWithin(tail: Buffer, position: number): string | null {
  for (let from = tail.indexOf(0); from >= 0; ) {
    let to = from;
    while (tail[to] === 0) to += 1;
    const wholeSectors =
      (from === 0 || (position + from) % SECTOR_BYTES === 0) && (position + to) % SECTOR_BYTES === 0;
    if (!wholeSectors) return 'a byte of the last line has become zero';
    from = tail.indexOf(0, to);
  }
  return null;
}
