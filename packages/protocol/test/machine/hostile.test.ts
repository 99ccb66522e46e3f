import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeMachineState,
  encodeMachineState,
  MachineStateReader,
  MachineStreamLimits,
  parseMachineLine,
  parseMachineRequest,
  type StatePayload,
} from '../../src/index.js';

const name = fc.stringMatching(/^[!-~]{1,64}$/);
const payload: fc.Arbitrary<StatePayload> = fc.record({
  instance: name,
  kind: name,
  version: fc.nat(0xffff_ffff),
  data: fc.uint8Array({ maxLength: 200 }),
});
const plain = (payloads: readonly StatePayload[]) =>
  payloads.map(({ data, ...rest }) => ({ ...rest, data: [...data] }));

/** The stream in pieces as they may come over a socket. */
function read(bytes: Uint8Array, pieceBytes: number) {
  const reader = new MachineStateReader();
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const result = reader.push(bytes.subarray(at, at + pieceBytes));
    if (result !== null) return result;
  }
  return null;
}

describe('a state stream', () => {
  it('comes out as it went in, whatever pieces it comes in', () => {
    fc.assert(
      fc.property(
        fc.array(payload, { maxLength: 8 }),
        fc.integer({ min: 1, max: 300 }),
        (payloads, bytes) => {
          const stream = read(encodeMachineState(payloads), bytes);
          const result = stream?.ok ? decodeMachineState(stream.value) : stream;
          expect(result?.ok && plain(result.value)).toEqual(plain(payloads));
        },
      ),
    );
  });

  it('is refused when a bit of it was turned, and never throws (R6)', () => {
    const whole = fc.array(payload, { minLength: 1, maxLength: 4 }).map(encodeMachineState);
    fc.assert(
      fc.property(whole, fc.nat(), fc.nat(7), (bytes, at, bit) => {
        const damaged = Uint8Array.from(bytes);
        const index = at % damaged.length;
        damaged[index] = (damaged[index] ?? 0) ^ (1 << bit);
        expect(decodeMachineState(damaged).ok).toBe(false);
      }),
    );
  });

  it('of any bytes is refused or not there yet, and never throws (R6)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(read(bytes, 7)?.ok ?? false).toBe(false);
        expect(decodeMachineState(bytes).ok).toBe(false);
      }),
    );
  });

  it('is not written over its limits or with names that nobody reads', () => {
    const one: StatePayload = { instance: 'i', kind: 'k', version: 1, data: new Uint8Array() };
    const wrong: StatePayload[][] = [
      [{ ...one, instance: '' }],
      [{ ...one, kind: 'a b' }],
      [{ ...one, kind: 'k'.repeat(65) }],
      [{ ...one, data: new Uint8Array(MachineStreamLimits.dataBytes + 1) }],
      Array.from({ length: MachineStreamLimits.payloads + 1 }, () => one),
    ];
    for (const payloads of wrong) expect(() => encodeMachineState(payloads)).toThrow(RangeError);
  });
});

describe('lines', () => {
  it('of any text are read as a message or as none, and never throw (R6)', () => {
    const text = fc.oneof(fc.string(), fc.json());
    fc.assert(
      fc.property(text, (line) => {
        expect(parseMachineRequest(line)).toBe(null);
        expect(parseMachineLine(line)?.kind ?? null).toBe(null);
      }),
    );
  });
});
