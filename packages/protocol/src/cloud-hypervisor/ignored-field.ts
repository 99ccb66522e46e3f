import type { Field } from '../codec/field.js';

/** Bytes that are written as zero and never looked at: another release may use them. */
export function ignored(offset: number, size: number): Field<void> {
  return {
    ...{ offset, size, form: String(size), doc: 'sent as zero, ignored', fixed: true },
    read: () => undefined,
    write: () => undefined,
    check: () => null,
  };
}
