/**
 * Reads a journal's bytes after a crash.
 *
 * Appends are serial and each is synced before the next begins, so a crash can tear only the last line: a piece of it, with
 * the zeros of the preallocated file where the rest was to be. That tail is cut. Anything else that does not hold was once
 * synced and is now damaged: it is refused, for a lost RELINQUISHED would let a guest run twice (R1).
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
  const reason = whyNotTorn(bytes.subarray(offset, offset + used));
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
function whyNotTorn(tail: Buffer): string | null {
  if (tail.length > MAX_LINE_BYTES) return 'more than one line does not hold';
  const newline = tail.indexOf(NEWLINE);
  if (newline < 0) return null;
  if (newline !== tail.length - 1) return 'a line that does not hold is followed by another';
  return tail.includes(0) ? null : 'the checksum of a complete line does not hold';
}
