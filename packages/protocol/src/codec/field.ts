import type { CodecProblem } from './result.js';

/** One field of a fixed layout. Everything is little-endian; there is no default to forget. */
export interface Field<T> {
  readonly offset: number;
  readonly size: number;
  /** As SPEC.md's tables say it: `u16`, `32`. */
  readonly form: string;
  /** One line for SPEC.md's table. */
  readonly doc: string;
  /** Carries no value: it is written by the codec and checked by it. */
  readonly fixed: boolean;
  read(view: DataView): T;
  /** Throws a RangeError for a value that does not fit: a mistake of the caller, never of a peer. */
  write(view: DataView, value: T): void;
  /** For fixed fields: what is wrong with these bytes; null when they are right. */
  check(view: DataView): { readonly code: CodecProblem; readonly message: string } | null;
}

const nothingToCheck = () => null;

export function u16(offset: number, doc: string): Field<number> {
  return {
    ...{ offset, size: 2, form: 'u16', doc, fixed: false, check: nothingToCheck },
    read: (view) => view.getUint16(offset, true),
    write: (view, value) => view.setUint16(offset, fitting(value, 0xffff), true),
  };
}

export function u32(offset: number, doc: string): Field<number> {
  return {
    ...{ offset, size: 4, form: 'u32', doc, fixed: false, check: nothingToCheck },
    read: (view) => view.getUint32(offset, true),
    write: (view, value) => view.setUint32(offset, fitting(value, 0xffff_ffff), true),
  };
}

export function u64(offset: number, doc: string): Field<bigint> {
  return {
    ...{ offset, size: 8, form: 'u64', doc, fixed: false, check: nothingToCheck },
    read: (view) => view.getBigUint64(offset, true),
    write: (view, value) => {
      if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError(`${value} does not fit a u64`);
      view.setBigUint64(offset, value, true);
    },
  };
}

/** Exactly `size` bytes, copied. */
export function bytes(offset: number, size: number, doc: string): Field<Uint8Array> {
  const slice = (view: DataView) => new Uint8Array(view.buffer, view.byteOffset + offset, size);
  return {
    ...{ offset, size, form: String(size), doc, fixed: false, check: nothingToCheck },
    read: (view) => slice(view).slice(),
    write: (view, value) => {
      if (value.length !== size) throw new RangeError(`${value.length} bytes where ${size} belong`);
      slice(view).set(value);
    },
  };
}

/** A number that is always the same. */
export function constant(base: Field<number>, value: number, code: CodecProblem): Field<void> {
  return {
    ...{ offset: base.offset, size: base.size, form: base.form, doc: base.doc, fixed: true },
    read: () => undefined,
    write: (view) => base.write(view, value),
    check: (view) => {
      const found = base.read(view);
      return found === value
        ? null
        : { code, message: `is 0x${found.toString(16)}, not 0x${value.toString(16)}` };
    },
  };
}

/** Bytes for a later version: written as zero, refused when they are not. */
export function reserved(offset: number, size: number, code: CodecProblem = 'reserved'): Field<void> {
  const form = size === 2 ? 'u16' : size === 4 ? 'u32' : String(size);
  return {
    ...{ offset, size, form, doc: 'zero', fixed: true },
    read: () => undefined,
    write: () => undefined,
    check: (view) => {
      for (let at = offset; at < offset + size; at++) {
        if (view.getUint8(at) !== 0) return { code, message: 'is not zero' };
      }
      return null;
    },
  };
}

function fitting(value: number, max: number): number {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`${value} is not a whole number from 0 to ${max}`);
  }
  return value;
}
