import { DroverError } from '@drover/types';
import type { DecodeResult } from '../codec/result.js';
import { protocolErrors } from '../errors.js';

/** Why bytes were refused; SPEC.md and the golden vectors use the same words. */
export type WireProblem =
  | 'truncated'
  | 'command'
  | 'status'
  | 'role'
  | 'length'
  | 'version'
  | 'order'
  | 'range'
  | 'mapping'
  | 'slot'
  | 'pages'
  | 'utf8'
  | 'json'
  | 'shape';

/** A refusal as plain data: the other side's bytes are expected to be wrong now and then. */
export interface WireRefusal {
  readonly code: WireProblem;
  /** Struct and field, `request.length`, `range-table[3].length`. */
  readonly path: string;
  /** Byte in the struct at which the field begins. */
  readonly offset: number;
  /** The end of a sentence that begins with the path; where a limit was passed it names value and limit. */
  readonly message: string;
}

export type WireRead<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: WireRefusal };

export function read<T>(value: T): WireRead<T> {
  return { ok: true, value };
}

export function refuse(
  code: WireProblem,
  path: string,
  offset: number,
  message: string,
): Extract<WireRead<never>, { ok: false }> {
  return { ok: false, refusal: { code, path, offset, message } };
}

/** The value of a struct whose layout has no rules of its own: too few bytes is all that can be wrong. */
export function readStruct<T>(result: DecodeResult<T>): WireRead<T> {
  if (result.ok) return read(result.value);
  return refuse('truncated', result.error.path, result.error.offset, result.error.message);
}

/**
 * The other side broke the wire's rules. Codes: `cloud-hypervisor-version-unknown` for a Start of a version outside the window,
 * `cloud-hypervisor-violation` for everything else.
 */
export class WireViolation extends DroverError {
  readonly refusal: WireRefusal;

  constructor(refusal: WireRefusal) {
    const code =
      refusal.code === 'version' ? 'cloud-hypervisor-version-unknown' : 'cloud-hypervisor-violation';
    const message = `The other side broke Cloud Hypervisor's migration wire: ${refusal.path} ${refusal.message}.`;
    super(code, protocolErrors.definitions[code], message);
    this.refusal = refusal;
  }
}

/** For code that cannot go on without the value. Throws a {@link WireViolation}. */
export function demand<T>(result: WireRead<T>): T {
  if (result.ok) return result.value;
  throw new WireViolation(result.refusal);
}
