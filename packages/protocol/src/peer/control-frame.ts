import { reserved, u16, u32 } from '../codec/field.js';
import { type CodecError, refused } from '../codec/result.js';
import { struct } from '../codec/struct.js';
import { crc32c } from '../crc32c.js';
import { PeerLimits } from './registry.js';

export const controlHeaderStruct = struct({
  name: 'control-frame',
  size: PeerLimits.controlHeaderBytes,
  // The checksum reaches over the payload too, so it is a field here and checked once the payload is there.
  checksum: false,
  fields: {
    type: u16(0, 'type; top bit: optional'),
    flags: reserved(2, 2, 'flags'),
    length: u32(4, 'length of the payload, bytes; at most 1,048,576'),
    sequence: u32(8, 'sequence: 0, 1, 2 … for each direction'),
    crc: u32(12, 'CRC32C of bytes 0–11 and the payload'),
  },
  rules: ({ length }) =>
    length <= PeerLimits.controlPayloadBytes
      ? null
      : { field: 'length', code: 'length', message: `is ${length}, above ${PeerLimits.controlPayloadBytes}` },
});

/** A whole frame of the control channel. What its payload means is not known here. */
export interface ControlFrame {
  readonly type: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** Header and payload in one piece. Throws a RangeError for a payload above the limit. */
export function encodeControlFrame({ type, sequence, payload }: ControlFrame): Uint8Array {
  const header = controlHeaderStruct.encode({ type, length: payload.length, sequence, crc: 0 });
  const frame = new Uint8Array(header.length + payload.length);
  frame.set(header);
  frame.set(payload, header.length);
  new DataView(frame.buffer).setUint32(12, frameChecksum(frame, payload), true);
  return frame;
}

/** What a push brought: whole frames in order, then, if the bytes went wrong, why. */
export interface ControlDecoded {
  readonly frames: readonly ControlFrame[];
  readonly error: CodecError | null;
}

/**
 * Takes the bytes of one direction as they come, in pieces of any size, and hands out whole frames. Never throws. After an error it
 * stays failed: where a frame began can no longer be known.
 *
 * Memory: one header and one payload. A length is checked against the limit before the payload is awaited, and the buffer grows
 * with what arrives, not with what was announced (R6).
 */
export class ControlFrameDecoder {
  readonly #header = new Uint8Array(PeerLimits.controlHeaderBytes);
  readonly #payloadLimit: number;
  #headerFilled = 0;
  #current: { type: number; length: number; sequence: number; crc: number } | null = null;
  #payload = new Uint8Array(0);
  #payloadFilled = 0;
  #nextSequence = 0;
  #error: CodecError | null = null;

  /** `payloadBytes` may only be lower than the protocol's own limit. */
  constructor(limits: { readonly payloadBytes: number } = { payloadBytes: PeerLimits.controlPayloadBytes }) {
    this.#payloadLimit = Math.min(limits.payloadBytes, PeerLimits.controlPayloadBytes);
  }

  /** True when some but not all bytes of a frame are here: an end of stream now is a loss. */
  get insideFrame(): boolean {
    return this.#headerFilled > 0;
  }

  /** Memory held for the frame in progress, bytes. */
  get bufferedBytes(): number {
    return this.#header.length + this.#payload.length;
  }

  push(chunk: Uint8Array): ControlDecoded {
    const frames: ControlFrame[] = [];
    let rest = chunk;
    while (this.#error === null && rest.length > 0) {
      if (this.#current === null) rest = this.#takeHeader(rest);
      else rest = this.#takePayload(rest, this.#current.length);
      const frame = this.#finish();
      if (frame) frames.push(frame);
    }
    return { frames, error: this.#error };
  }

  #takeHeader(chunk: Uint8Array): Uint8Array {
    const taken = chunk.subarray(0, this.#header.length - this.#headerFilled);
    this.#header.set(taken, this.#headerFilled);
    this.#headerFilled += taken.length;
    if (this.#headerFilled === this.#header.length) {
      const header = controlHeaderStruct.decode(this.#header);
      if (!header.ok) this.#error = header.error;
      else if (header.value.length > this.#payloadLimit) {
        this.#fail('length', 4, `is ${header.value.length}, above ${this.#payloadLimit}`);
      } else if (header.value.sequence !== this.#nextSequence) {
        this.#fail('sequence', 8, `is ${header.value.sequence}, not ${this.#nextSequence}`);
      } else this.#current = header.value;
    }
    return chunk.subarray(taken.length);
  }

  #takePayload(chunk: Uint8Array, length: number): Uint8Array {
    const taken = chunk.subarray(0, length - this.#payloadFilled);
    const needed = this.#payloadFilled + taken.length;
    if (needed > this.#payload.length) {
      const grown = new Uint8Array(Math.min(length, Math.max(needed, this.#payload.length * 2, 1024)));
      grown.set(this.#payload.subarray(0, this.#payloadFilled));
      this.#payload = grown;
    }
    this.#payload.set(taken, this.#payloadFilled);
    this.#payloadFilled = needed;
    return chunk.subarray(taken.length);
  }

  #finish(): ControlFrame | null {
    const header = this.#current;
    if (header === null || this.#payloadFilled < header.length) return null;
    const payload = this.#payload.subarray(0, header.length);
    if (frameChecksum(this.#header, payload) !== header.crc) {
      this.#fail('crc', 12, 'does not match the frame');
      return null;
    }
    this.#current = null;
    this.#headerFilled = 0;
    this.#payload = new Uint8Array(0);
    this.#payloadFilled = 0;
    this.#nextSequence = (this.#nextSequence + 1) >>> 0;
    return { type: header.type, sequence: header.sequence, payload };
  }

  #fail(code: 'length' | 'sequence' | 'crc', offset: number, message: string): void {
    this.#error = refused({ code, path: `control-frame.${code}`, offset, message }).error;
    this.#payload = new Uint8Array(0);
    this.#payloadFilled = 0;
  }
}

function frameChecksum(header: Uint8Array, payload: Uint8Array): number {
  return crc32c(payload, crc32c(header.subarray(0, 12)));
}
