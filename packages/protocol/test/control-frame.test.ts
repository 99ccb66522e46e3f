import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ControlFrame,
  ControlFrameDecoder,
  ControlType,
  crc32c,
  decodeControlMessage,
  encodeControlFrame,
  encodeControlMessage,
  PeerLimits,
} from '../src/index.js';
import { bytesOf, vectorsOf } from './vectors.js';

const payloads = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });

function stream(contents: readonly Uint8Array[]): { frames: ControlFrame[]; bytes: Buffer } {
  const frames = contents.map((payload, sequence) => ({ type: 0x8000 + sequence, sequence, payload }));
  return { frames, bytes: Buffer.concat(frames.map(encodeControlFrame)) };
}

/** Pushes `bytes` in pieces whose lengths come from `cuts`, over and over. */
function pushInPieces(decoder: ControlFrameDecoder, bytes: Uint8Array, cuts: readonly number[]) {
  const frames: ControlFrame[] = [];
  let error = null;
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = 1 + ((cuts[turn % Math.max(1, cuts.length)] ?? 0) % 64);
    const result = decoder.push(bytes.subarray(at, at + length));
    frames.push(...result.frames);
    error = result.error;
    at += length;
  }
  return { frames, error };
}

/** The naive oracle: has all bytes at once and reads them with Node's own readers. */
function naiveDecode(bytes: Buffer): { frames: ControlFrame[]; code: string | null } {
  const frames: ControlFrame[] = [];
  for (let at = 0; bytes.length - at >= 16; ) {
    const length = bytes.readUInt32LE(at + 4);
    if (bytes.readUInt16LE(at + 2) !== 0) return { frames, code: 'flags' };
    if (length > 1_048_576) return { frames, code: 'length' };
    if (bytes.readUInt32LE(at + 8) !== frames.length) return { frames, code: 'sequence' };
    if (bytes.length - at - 16 < length) break;
    const payload = new Uint8Array(bytes.subarray(at + 16, at + 16 + length));
    const summed = Buffer.concat([bytes.subarray(at, at + 12), payload]);
    if (crc32c(summed) !== bytes.readUInt32LE(at + 12)) return { frames, code: 'crc' };
    frames.push({ type: bytes.readUInt16LE(at), sequence: frames.length, payload });
    at += 16 + length;
  }
  return { frames, code: null };
}

describe('the control frame decoder', () => {
  it('hands out the same frames however the bytes are cut', () => {
    fc.assert(
      fc.property(payloads, fc.array(fc.nat(63), { maxLength: 6 }), (contents, cuts) => {
        const { frames, bytes } = stream(contents);
        const decoder = new ControlFrameDecoder();
        expect(pushInPieces(decoder, bytes, cuts)).toEqual({ frames, error: null });
        expect(decoder.insideFrame).toBe(false);
      }),
    );
  });

  it('agrees with a naive reader about damaged streams (R6)', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
    fc.assert(
      fc.property(
        payloads,
        edits,
        fc.array(fc.nat(63), { maxLength: 6 }),
        fc.nat(20),
        (contents, changes, cuts, cut) => {
          const { bytes } = stream(contents);
          for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
          const short = bytes.subarray(0, bytes.length - Math.min(cut, bytes.length));
          const expected = naiveDecode(short);
          const found = pushInPieces(new ControlFrameDecoder(), short, cuts);
          expect({ frames: found.frames, code: found.error?.code ?? null }).toEqual(expected);
        },
      ),
      { numRuns: 4_000 },
    );
  });

  it('stays failed after an error, and gives its memory back', () => {
    const decoder = new ControlFrameDecoder();
    const [good] = [encodeControlMessage(1, 'keepalive', {}, 0)];
    const bad = good.slice();
    bad[16] = 0;
    const first = decoder.push(bad);
    expect(first).toMatchObject({
      frames: [],
      error: { code: 'crc', path: 'control-frame.crc', offset: 12 },
    });
    expect(decoder.push(good)).toEqual(first);
    expect(decoder.bufferedBytes).toBe(PeerLimits.controlHeaderBytes);
  });

  it('takes memory for what arrives, not for what is announced (R6)', () => {
    const decoder = new ControlFrameDecoder();
    const whole = encodeControlFrame({ type: 1, sequence: 0, payload: new Uint8Array(1 << 20) });
    decoder.push(whole.subarray(0, 16));
    expect(decoder.bufferedBytes).toBe(16);
    decoder.push(whole.subarray(16, 17));
    expect(decoder.bufferedBytes).toBeLessThanOrEqual(16 + 1024);
    const { frames } = decoder.push(whole.subarray(17));
    expect(frames[0]?.payload.length).toBe(1 << 20);
    expect(decoder.bufferedBytes).toBe(16);
  });

  it('can be told a lower limit, never a higher one', () => {
    const frame = encodeControlFrame({ type: 1, sequence: 0, payload: new Uint8Array(101) });
    expect(new ControlFrameDecoder({ payloadBytes: 100 }).push(frame).error?.code).toBe('length');
    expect(new ControlFrameDecoder({ payloadBytes: 101 }).push(frame).frames).toHaveLength(1);
    const header = Buffer.from(frame.subarray(0, 16));
    header.writeUInt32LE((1 << 20) + 1, 4);
    expect(new ControlFrameDecoder({ payloadBytes: 1 << 30 }).push(header).error?.code).toBe('length');
  });

  it('has no frame for a sequence beyond 32 bits', () => {
    const frame = (sequence: number) => () =>
      encodeControlFrame({ type: 1, sequence, payload: new Uint8Array(0) });
    expect(frame(0xffffffff)).not.toThrow();
    expect(frame(0x100000000)).toThrow(RangeError);
  });
});

describe('a control message', () => {
  it('of an optional type that nobody knows yet is skipped, of a mandatory one refused', () => {
    const payload = Buffer.from('not even JSON');
    expect(decodeControlMessage(1, { type: 0xfffe, sequence: 0, payload })).toEqual({
      ok: true,
      value: null,
    });
    expect(decodeControlMessage(1, { type: 0x7ffe, sequence: 0, payload })).toMatchObject({
      ok: false,
      error: { code: 'type', message: 'is 0x7ffe, which this release does not know' },
    });
  });

  it('keeps fields that this release does not know', () => {
    const payload = Buffer.from('{"lastRound":1,"verify":false,"later":[1]}');
    expect(decodeControlMessage(1, { type: ControlType.switchover, sequence: 0, payload })).toEqual({
      ...{
        ok: true,
        value: { name: 'switchover', version: 1, message: { lastRound: 1, verify: false, later: [1] } },
      },
    });
  });

  it('names the field that it misses', () => {
    const payload = Buffer.from('{"lastRound":1}');
    expect(decodeControlMessage(1, { type: ControlType.switchover, sequence: 0, payload })).toMatchObject({
      error: {
        code: 'message',
        path: 'switchover',
        message: 'has the wrong shape: switchover.verify: is missing',
      },
    });
  });

  it('does not take a number above 64 bits', () => {
    const message = { migrationId: '6f1c2f0a-5b8e-4c1d-9a77-0d2a4b6c8e10', epoch: '18446744073709551616' };
    expect(() => encodeControlMessage(1, 'commit', message, 0)).toThrow('commit.epoch: does not fit 64 bits');
    expect(() => encodeControlMessage(1, 'commit', { ...message, epoch: 'x'.repeat(99) }, 0)).toThrow(
      'is not an unsigned',
    );
  });

  it('is not sent when it is not what the protocol allows, or too large', () => {
    const send = (message: unknown) => () => encodeControlMessage(1, 'keepalive', message as never, 0);
    expect(send([])).toThrow(/^The message keepalive was not sent: /);
    expect(send({ blob: 'x'.repeat(1 << 20) })).toThrow(/^The message keepalive was not sent: /);
    expect(send({ big: 1n })).toThrow(/^The message keepalive was not sent: /);
  });

  it('damaged in any way is read or refused, never thrown (R6)', () => {
    const originals = vectorsOf('control-frame').valid.map(bytesOf);
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        edits,
        fc.option(fc.nat(), { nil: null }),
        (bytes, changes, cut) => {
          const payload = bytes.slice(16);
          for (const [at, value] of changes) if (payload.length > 0) payload[at % payload.length] = value;
          const kept = cut === null ? payload : payload.subarray(0, cut % (payload.length + 1));
          const type = Buffer.from(bytes).readUInt16LE(0);
          const result = decodeControlMessage(1, { type, sequence: 0, payload: kept });
          if (!result.ok) expect(['utf8', 'json', 'message']).toContain(result.error.code);
        },
      ),
      { numRuns: 4_000 },
    );
  });
});
