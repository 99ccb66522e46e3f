import { U64_MAX } from '@drover/types';
import { type MemoryRange, type RangeTable, sayAddress } from './range-table.js';
import { read, refuse, type WireRead, type WireRefusal } from './refusal.js';
import { RAM_MAPPINGS } from './registry.js';

/** One slot of guest memory, as `guest_ram_mappings` of the Config document names it. All in bytes. */
export interface RamMapping {
  readonly slot: number;
  readonly gpa: bigint;
  readonly size: bigint;
  readonly zoneId: string;
  readonly virtioMem: boolean;
  /** Where the slot begins in its file. */
  readonly fileOffset: bigint;
}

/** Part of a range that lies in one slot. */
export interface RamPiece {
  readonly slot: number;
  /** Into the slot's file, bytes. */
  readonly fileOffset: bigint;
  readonly length: bigint;
}

/** The memory that a guest has: what ranges must lie in, and where in which slot they do. */
export class GuestMemory {
  /** By address. */
  readonly mappings: readonly RamMapping[];
  /** Of all slots, bytes. */
  readonly size: bigint;

  private constructor(mappings: readonly RamMapping[]) {
    this.mappings = mappings;
    this.size = mappings.reduce((sum, { size }) => sum + size, 0n);
  }

  /** Refused as `mapping`: none or too many, empty, beyond 64 bits, overlapping, or a slot twice. Paths are those of the list as given. */
  static of(mappings: readonly RamMapping[]): WireRead<GuestMemory> {
    const wrong = (index: number, field: string, message: string) =>
      refuse('mapping', `guest_ram_mappings[${index}].${field}`, 0, message);
    if (mappings.length === 0 || mappings.length > RAM_MAPPINGS) {
      const message = `has ${mappings.length} entries, not 1 to ${RAM_MAPPINGS}`;
      return refuse('mapping', 'guest_ram_mappings', 0, message);
    }
    const slots = new Set<number>();
    for (const [index, { slot, gpa, size, fileOffset }] of mappings.entries()) {
      if (size === 0n) return wrong(index, 'size', 'is 0');
      if (gpa + size > U64_MAX || fileOffset + size > U64_MAX) {
        return wrong(index, 'size', `is ${size}, which ends beyond 64 bits`);
      }
      if (slots.has(slot)) return wrong(index, 'slot', `is ${slot}, as of another entry`);
      slots.add(slot);
    }
    const sorted = [...mappings.entries()].sort(([, a], [, b]) =>
      a.gpa < b.gpa ? -1 : a.gpa > b.gpa ? 1 : 0,
    );
    let end = 0n;
    for (const [index, { gpa, size }] of sorted) {
      if (gpa < end) return wrong(index, 'gpa', `is ${sayAddress(gpa)}, inside another entry`);
      end = gpa + size;
    }
    return read(new GuestMemory(sorted.map(([, mapping]) => mapping)));
  }

  /**
   * What is wrong with a table for this guest: a range outside its memory, or more pages than twice the memory (the last table of
   * a migration joins two logs, so that each page may come twice; nothing honest has more). Code `range`; null when all is well.
   */
  check(table: RangeTable): WireRefusal | null {
    if (table.pageBytes > 2n * this.size) {
      const message = `names ${table.pageBytes} bytes of pages, above ${2n * this.size}, twice the guest's memory`;
      return refuse('range', 'range-table', 0, message).refusal;
    }
    let index = 0;
    for (const range of table) {
      if (!this.#holds(range)) {
        const message = `is ${sayAddress(range.gpa)}, and ${range.length} bytes from there are not all guest memory`;
        return refuse('range', `range-table[${index}].gpa`, index * 16, message).refusal;
      }
      index++;
    }
    return null;
  }

  /** The parts of a range that {@link check} let pass, in the order of its pages. */
  *pieces(range: MemoryRange): Generator<RamPiece> {
    let { gpa, length } = range;
    for (let at = this.#at(gpa); length > 0n; at++) {
      const mapping = this.mappings[at];
      if (mapping === undefined || gpa < mapping.gpa || gpa >= mapping.gpa + mapping.size) {
        throw new RangeError(`${sayAddress(gpa)} is no guest memory`);
      }
      const offset = gpa - mapping.gpa;
      const here = length < mapping.size - offset ? length : mapping.size - offset;
      yield { slot: mapping.slot, fileOffset: mapping.fileOffset + offset, length: here };
      gpa += here;
      length -= here;
    }
  }

  #holds({ gpa, length }: MemoryRange): boolean {
    const end = gpa + length;
    for (let at = this.#at(gpa); gpa < end; at++) {
      const mapping = this.mappings[at];
      if (mapping === undefined || gpa < mapping.gpa || gpa >= mapping.gpa + mapping.size) return false;
      gpa = mapping.gpa + mapping.size;
    }
    return true;
  }

  /** Index of the last mapping that begins at or before an address; -1 where there is none. */
  #at(gpa: bigint): number {
    let low = 0;
    let high = this.mappings.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.mappings[middle] as RamMapping).gpa <= gpa) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
