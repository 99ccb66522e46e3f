import { U64_MAX } from '@drover/types';
import { u64 } from '../codec/field.js';
import { struct } from '../codec/struct.js';
import { read, refuse, type WireRead } from './refusal.js';
import { Sizes } from './registry.js';

/** A run of guest memory: a guest-physical address and a number of bytes. */
export interface MemoryRange {
  readonly gpa: bigint;
  readonly length: bigint;
}

export const rangeStruct = struct({
  name: 'range',
  size: Sizes.range,
  checksum: false,
  fields: {
    gpa: u64(0, 'guest-physical address'),
    length: u64(8, 'bytes'),
  },
  rules: () => null,
});

/**
 * Runs of guest memory in the order in which their pages follow. Held as the wire's own bytes, because the table of a large guest has
 * millions of entries. Runs may repeat and overlap: the last table of a migration joins two logs. The later run's pages win.
 */
export class RangeTable implements Iterable<MemoryRange> {
  /** 16 bytes a range; not to be changed. */
  readonly bytes: Uint8Array;
  /** What all ranges hold together. */
  readonly pageBytes: bigint;

  private constructor(bytes: Uint8Array, pageBytes: bigint) {
    this.bytes = bytes;
    this.pageBytes = pageBytes;
  }

  /** Ranges. */
  get count(): number {
    return this.bytes.length / Sizes.range;
  }

  /** Throws a RangeError for a range that does not fit 64 bits: a mistake of the caller. */
  static of(ranges: readonly MemoryRange[]): RangeTable {
    const bytes = new Uint8Array(ranges.length * Sizes.range);
    for (const [index, range] of ranges.entries()) bytes.set(rangeStruct.encode(range), index * Sizes.range);
    const table = RangeTable.decode(bytes);
    if (!table.ok) throw new RangeError(`${table.refusal.path} ${table.refusal.message}`);
    return table.value;
  }

  /** Keeps `bytes`. Never throws. Refused as `length` (no multiple of 16) or `range` (ends beyond 64 bits). */
  static decode(bytes: Uint8Array): WireRead<RangeTable> {
    if (bytes.length % Sizes.range !== 0) {
      return refuse('length', 'range-table', 0, `has ${bytes.length} bytes, no multiple of ${Sizes.range}`);
    }
    let pageBytes = 0n;
    for (let at = 0; at < bytes.length; at += Sizes.range) {
      const { gpa, length } = rangeAt(bytes, at);
      if (gpa + length > U64_MAX) {
        const path = `range-table[${at / Sizes.range}].length`;
        return refuse('range', path, at + 8, `is ${length} at ${sayAddress(gpa)}, which ends beyond 64 bits`);
      }
      pageBytes += length;
    }
    return read(new RangeTable(bytes, pageBytes));
  }

  *[Symbol.iterator](): Iterator<MemoryRange> {
    for (let at = 0; at < this.bytes.length; at += Sizes.range) yield rangeAt(this.bytes, at);
  }
}

/** A guest-physical address as people write it. */
export function sayAddress(gpa: bigint): string {
  return `0x${gpa.toString(16)}`;
}

/** Field by field: a table may have millions of ranges, and the general decoder takes twice as long. */
function rangeAt(bytes: Uint8Array, at: number): MemoryRange {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, Sizes.range);
  return { gpa: rangeStruct.fields.gpa.read(view), length: rangeStruct.fields.length.read(view) };
}
