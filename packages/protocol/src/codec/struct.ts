import { crc32c } from '../crc32c.js';
import type { Field } from './field.js';
import { type CodecError, type CodecProblem, type DecodeResult, decoded, refused } from './result.js';

type Fields = Readonly<
  Record<string, Field<never> | Field<number> | Field<bigint> | Field<Uint8Array> | Field<void>>
>;
type ValueOf<F> = F extends Field<infer T> ? T : never;

/** The value of a struct: its fields without the fixed ones. */
export type StructValue<F extends Fields> = {
  readonly [Name in keyof F as ValueOf<F[Name]> extends void ? never : Name]: ValueOf<F[Name]>;
};

/** What a rule over the decoded value finds: the field, the code, the end of the sentence. */
export interface StructViolation<F extends Fields> {
  readonly field: keyof F & string;
  readonly code: CodecProblem;
  readonly message: string;
}

/** A fixed layout: each byte belongs to exactly one field. */
export interface Struct<F extends Fields> {
  readonly name: string;
  readonly size: number;
  readonly fields: F;
  /** Throws a RangeError for a value that this struct cannot carry or that its own rules refuse. */
  encode(value: StructValue<F>): Uint8Array;
  /** Reads the first `size` bytes; more may follow. Never throws. */
  decode(bytes: Uint8Array): DecodeResult<StructValue<F>>;
}

/**
 * Declares a struct. `rules` holds for what is written and what is read. With `checksum`, a last u32 carries the CRC32C of all
 * bytes before it, and a reader believes nothing before it has been checked.
 *
 * Throws at declaration when the fields leave a gap or overlap.
 */
export function struct<const F extends Fields>(declaration: {
  readonly name: string;
  readonly size: number;
  readonly fields: F;
  readonly checksum: boolean;
  readonly rules: (value: StructValue<F>) => StructViolation<F> | null;
}): Struct<F> {
  const { name, size, fields, checksum, rules } = declaration;
  const covered = size - (checksum ? 4 : 0);
  requireTiling(name, fields, covered);
  const entries = Object.entries(fields) as [keyof F & string, Field<unknown>][];
  const fail = (code: CodecProblem, field: string | null, message: string): CodecError => ({
    code,
    path: field === null ? name : `${name}.${field}`,
    offset: field === null ? 0 : (fields[field]?.offset ?? 0),
    message,
  });

  return {
    name,
    size,
    fields,
    encode(value) {
      const violation = rules(value);
      if (violation) throw new RangeError(`${name}.${violation.field} ${violation.message}`);
      const bytes = new Uint8Array(size);
      const view = new DataView(bytes.buffer);
      for (const [key, field] of entries) field.write(view, (value as Record<string, unknown>)[key]);
      if (checksum) view.setUint32(covered, crc32c(bytes.subarray(0, covered)), true);
      return bytes;
    },
    decode(bytes) {
      if (bytes.length < size) {
        return refused(fail('truncated', null, `ends after ${bytes.length} of ${size} bytes`));
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, size);
      if (checksum && view.getUint32(covered, true) !== crc32c(bytes.subarray(0, covered))) {
        return refused(fail('crc', null, 'does not match its checksum'));
      }
      const value: Record<string, unknown> = {};
      for (const [key, field] of entries) {
        const wrong = field.check(view);
        if (wrong) return refused(fail(wrong.code, key, wrong.message));
        if (!field.fixed) value[key] = field.read(view);
      }
      const violation = rules(value as StructValue<F>);
      if (violation) return refused(fail(violation.code, violation.field, violation.message));
      return decoded(value as StructValue<F>);
    },
  };
}

function requireTiling(name: string, fields: Fields, size: number): void {
  let next = 0;
  for (const [key, field] of Object.entries(fields)) {
    if (field.offset !== next) throw new RangeError(`${name}.${key} is at ${field.offset}, expected ${next}`);
    next += field.size;
  }
  if (next !== size) throw new RangeError(`${name} has fields for ${next} of ${size} bytes`);
}
