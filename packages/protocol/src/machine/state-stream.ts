/** The state of a machine on its way: one head, then payloads in a row. Layout in SPEC.md. Decoding never throws. */
import { constant, reserved, u16, u32 } from '../codec/field.js';
import { type CodecError, type CodecProblem, type DecodeResult, decoded, refused } from '../codec/result.js';
import { struct } from '../codec/struct.js';
import { crc32c } from '../crc32c.js';
import { MACHINE_STREAM_MAGIC, MACHINE_STREAM_VERSIONS, MachineStreamLimits } from './registry.js';

/** The state of one device; never page data. */
export interface StatePayload {
  readonly instance: string;
  readonly kind: string;
  /** Of the kind's layout. */
  readonly version: number;
  readonly data: Uint8Array;
}

export const machineStreamHead = struct({
  name: 'machine-stream',
  size: 24,
  fields: {
    magic: constant(u32(0, '"DMS" and a zero'), MACHINE_STREAM_MAGIC, 'magic'),
    version: constant(u16(4, 'layout of what follows'), 1, 'format'),
    reserved: reserved(6, 2),
    count: u32(8, 'payloads'),
    bodyBytes: u32(12, 'bytes that follow'),
    bodyCrc: u32(16, 'CRC32C of them'),
  },
  checksum: true,
  rules: ({ count, bodyBytes }) => {
    if (count > MachineStreamLimits.payloads) {
      return { field: 'count', code: 'count', message: `is ${count}, over ${MachineStreamLimits.payloads}` };
    }
    if (bodyBytes > MachineStreamLimits.bodyBytes) {
      return {
        field: 'bodyBytes',
        code: 'length',
        message: `is ${bodyBytes}, over ${MachineStreamLimits.bodyBytes}`,
      };
    }
    return null;
  },
});

export const machinePayloadHead = struct({
  name: 'machine-payload',
  size: 12,
  fields: {
    instanceBytes: u16(0, 'length of the instance'),
    kindBytes: u16(2, 'length of the kind'),
    version: u32(4, "of the kind's layout"),
    dataBytes: u32(8, 'length of the data'),
  },
  checksum: false,
  rules: ({ instanceBytes, kindBytes, dataBytes }) => {
    const { nameBytes } = MachineStreamLimits;
    const wrong = (length: number) => length < 1 || length > nameBytes;
    if (wrong(instanceBytes))
      return { field: 'instanceBytes', code: 'length', message: `is not 1–${nameBytes}` };
    if (wrong(kindBytes)) return { field: 'kindBytes', code: 'length', message: `is not 1–${nameBytes}` };
    if (dataBytes > MachineStreamLimits.dataBytes) {
      return {
        field: 'dataBytes',
        code: 'length',
        message: `is ${dataBytes}, over ${MachineStreamLimits.dataBytes}`,
      };
    }
    return null;
  },
});

/** Throws a RangeError for payloads over the limits, or with a name that is not visible ASCII: a mistake of the caller. */
export function encodeMachineState(payloads: readonly StatePayload[]): Uint8Array {
  const body = Buffer.concat(payloads.flatMap(encodePayload));
  const head = machineStreamHead.encode({
    count: payloads.length,
    bodyBytes: body.length,
    bodyCrc: crc32c(body),
  });
  return Buffer.concat([head, body]);
}

/** Takes a stream in pieces and never holds more than the limit (R6). What its head says is checked, its payloads are not. */
export class MachineStateReader {
  #parts: Uint8Array[] = [];
  #held = 0;
  #needed: number = machineStreamHead.size;
  #headRead = false;

  /** Bytes taken so far. */
  get bytes(): number {
    return this.#held;
  }

  /** Null until the stream is there, and then all of its bytes, or its head found to be wrong; nothing is to be pushed after that. */
  push(piece: Uint8Array): DecodeResult<Uint8Array> | null {
    this.#parts.push(piece);
    this.#held += piece.length;
    if (this.#held < this.#needed) return null;
    if (!this.#headRead) {
      const head = machineStreamHead.decode(this.#joined());
      if (!head.ok) return head;
      this.#headRead = true;
      this.#needed += head.value.bodyBytes;
      if (this.#held < this.#needed) return null;
    }
    return decoded(this.#joined());
  }

  #joined(): Uint8Array {
    const all = Buffer.concat(this.#parts);
    this.#parts = [all];
    return all;
  }
}

/** Reads a whole stream, and refuses what is behind its end. */
export function decodeMachineState(bytes: Uint8Array): DecodeResult<StatePayload[]> {
  const head = machineStreamHead.decode(bytes);
  if (!head.ok) return head;
  const { count, bodyBytes, bodyCrc } = head.value;
  const body = bytes.subarray(machineStreamHead.size);
  if (body.length < bodyBytes) {
    return fail('truncated', `ends after ${body.length} of ${bodyBytes} bytes`);
  }
  if (body.length > bodyBytes) return fail('length', `has ${body.length - bodyBytes} bytes behind its end`);
  if (crc32c(body) !== bodyCrc) return fail('payload-crc', 'has payloads that do not match their checksum');
  const payloads: StatePayload[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    const read = decodePayload(body.subarray(at), index);
    if (!read.ok) return read;
    payloads.push(read.value.payload);
    at += read.value.bytes;
  }
  if (at !== body.length) return fail('length', `has ${body.length - at} bytes that belong to no payload`);
  return decoded(payloads);
}

function encodePayload({ instance, kind, version, data }: StatePayload): Uint8Array[] {
  for (const name of [instance, kind]) {
    if (!visible.test(name)) throw new RangeError(`"${name}" is not visible ASCII`);
  }
  const head = machinePayloadHead.encode({
    instanceBytes: instance.length,
    kindBytes: kind.length,
    version,
    dataBytes: data.length,
  });
  return [head, Buffer.from(instance, 'latin1'), Buffer.from(kind, 'latin1'), data];
}

function decodePayload(
  bytes: Uint8Array,
  index: number,
): DecodeResult<{ readonly payload: StatePayload; readonly bytes: number }> {
  const head = machinePayloadHead.decode(bytes);
  if (!head.ok) return head;
  const { instanceBytes, kindBytes, version, dataBytes } = head.value;
  const nameAt = machinePayloadHead.size;
  const dataAt = nameAt + instanceBytes + kindBytes;
  const end = dataAt + dataBytes;
  if (bytes.length < end) return fail('truncated', `ends inside payload ${index}`);
  const text = Buffer.from(bytes.subarray(nameAt, dataAt)).toString('latin1');
  if (!visible.test(text)) return fail('kind', `has a payload ${index} whose name is not visible ASCII`);
  return decoded({
    payload: {
      instance: text.slice(0, instanceBytes),
      kind: text.slice(instanceBytes),
      version,
      data: bytes.slice(dataAt, end),
    },
    bytes: end,
  });
}

const visible = /^[!-~]+$/;

function fail(code: CodecProblem, message: string): { readonly ok: false; readonly error: CodecError } {
  return refused({ code, path: machineStreamHead.name, offset: 0, message });
}

/** The layout that {@link encodeMachineState} writes. */
export const WRITTEN_MACHINE_STREAM = Math.max(...MACHINE_STREAM_VERSIONS);
