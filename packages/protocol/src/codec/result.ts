/** Why bytes were refused. Plain data: bytes from a peer are expected to be wrong now and then. */
export interface CodecError {
  /** Stable; SPEC.md and the golden vectors use the same words. */
  readonly code: CodecProblem;
  /** Struct and field, `bulk-frame.offset`; the struct alone where no single field is wrong. */
  readonly path: string;
  /** Byte in the struct at which the field begins. */
  readonly offset: number;
  /** The end of a sentence that begins with the path. */
  readonly message: string;
}

export type CodecProblem =
  | 'truncated'
  | 'magic'
  | 'format'
  | 'window'
  | 'role'
  | 'reserved'
  | 'crc'
  | 'kind'
  | 'channel'
  | 'channels'
  | 'type'
  | 'flags'
  | 'region'
  | 'round'
  | 'count'
  | 'offset'
  | 'payload-crc'
  | 'length'
  | 'sequence'
  | 'utf8'
  | 'json'
  | 'message';

export type DecodeResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: CodecError };

export function decoded<T>(value: T): DecodeResult<T> {
  return { ok: true, value };
}

export function refused(error: CodecError): Extract<DecodeResult<never>, { ok: false }> {
  return { ok: false, error };
}
