import { u16, u64 } from '../codec/field.js';
import { struct } from '../codec/struct.js';
import { ignored } from './ignored-field.js';
import { read, readStruct, refuse, type WireRead } from './refusal.js';
import { Sizes, Status, type StatusName } from './registry.js';

/** The answer to a request. Nothing says why where it is an error. */
export interface Response {
  readonly status: Exclude<StatusName, 'invalid'>;
  /** Bytes behind the answer: the pages that a PageFault gets inline, otherwise 0. */
  readonly length: bigint;
}

export const responseStruct = struct({
  name: 'response',
  size: Sizes.response,
  checksum: false,
  fields: {
    status: u16(0, 'status'),
    ignored: ignored(2, 6),
    length: u64(8, 'length of what follows, bytes'),
  },
  rules: () => null,
});

/** 16 bytes. */
export function encodeResponse({ status, length }: Response): Uint8Array {
  return responseStruct.encode({ status: Status[status], length });
}

/**
 * Never throws. `expected` are the lengths that an ok may have here. Refused as `truncated`, `status` (unknown, or 0), `length`.
 */
export function decodeResponse(bytes: Uint8Array, expected: readonly bigint[] = [0n]): WireRead<Response> {
  const header = readStruct(responseStruct.decode(bytes));
  if (!header.ok) return header;
  const { status, length } = header.value;
  if (status !== Status.ok && status !== Status.error) {
    return refuse('status', 'response.status', 0, `is ${status}, which is no status known here`);
  }
  if (status === Status.error) return read({ status: 'error', length: 0n });
  if (!expected.includes(length)) {
    return refuse('length', 'response.length', 8, `is ${length}, not ${expected.join(' or ')}`);
  }
  return read({ status: 'ok', length });
}
