import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reserved, u16, u32, u64 } from '../src/codec/field.js';
import { struct } from '../src/codec/struct.js';
import {
  type BulkFrameHeader,
  BulkType,
  crc32c,
  decodeBulkFrameHeader,
  decodeBulkHello,
  decodePreamble,
  encodeBulkFrameHeader,
  encodePreamble,
  PEER_VERSIONS,
  type PeerVersion,
  roundDigest,
} from '../src/index.js';
import { bytesOf, vectors } from './vectors.js';

/** Bit by bit, straight from the polynomial. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const carry = (crc ^ (byte >> bit)) & 1;
      crc = (crc >>> 1) ^ (carry ? 0x82f63b78 : 0);
    }
  }
  return ~crc >>> 0;
}

describe('CRC32C', () => {
  it('has its well-known check value', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  it('is what the polynomial says, in one piece and in two', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (bytes, at) => {
        const cut = at % (bytes.length + 1);
        expect(crc32c(bytes)).toBe(slowCrc32c(bytes));
        expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))).toBe(slowCrc32c(bytes));
      }),
    );
  });
});

describe('a struct', () => {
  const noRules = () => null;

  it('is refused at its declaration when its fields overlap, leave a gap or end early', () => {
    const declare = (fields: Parameters<typeof struct>[0]['fields'], size: number) => () =>
      struct({ name: 's', size, checksum: false, fields, rules: noRules });
    expect(declare({ a: u16(0, ''), b: u16(1, '') }, 3)).toThrow('s.b is at 1, expected 2');
    expect(declare({ a: u16(0, ''), b: u32(4, '') }, 8)).toThrow('s.b is at 4, expected 2');
    expect(declare({ a: u16(0, '') }, 4)).toThrow('s has fields for 2 of 4 bytes');
  });

  it('refuses to write a number that does not fit', () => {
    const s = struct({
      ...{ name: 's', size: 16, checksum: false, rules: noRules },
      fields: { a: u16(0, ''), z: reserved(2, 2), b: u32(4, ''), c: u64(8, '') },
    });
    expect(() => s.encode({ a: 0x10000, b: 0, c: 0n })).toThrow(RangeError);
    expect(() => s.encode({ a: 0, b: -1, c: 0n })).toThrow(RangeError);
    expect(() => s.encode({ a: 0.5, b: 0, c: 0n })).toThrow(RangeError);
    expect(() => s.encode({ a: 0, b: 0, c: 1n << 64n })).toThrow(RangeError);
    expect(() => s.encode({ a: 0, b: 0, c: -1n })).toThrow(RangeError);
  });

  it('reads in the middle of a larger buffer', () => {
    const buffer = new Uint8Array(64);
    buffer.set(encodePreamble({ oldest: 1, newest: 3, role: 'bulk' }), 7);
    expect(decodePreamble(buffer.subarray(7))).toEqual({
      ok: true,
      value: { oldest: 1, newest: 3, role: 'bulk' },
    });
  });
});

const u32s = fc.oneof(fc.nat(300), fc.constantFrom(1 << 20, (1 << 20) + 1, 0xffffffff), fc.nat(0xffffffff));
const headers = fc.record<BulkFrameHeader>({
  type: fc.oneof(fc.constantFrom(...Object.values(BulkType)), fc.nat(0xffff)),
  region: fc.oneof(fc.constant(0), fc.nat(0xffff)),
  round: fc.oneof(fc.constant(0), u32s),
  count: u32s,
  offset: fc.oneof(
    fc.constant(0n),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc.bigInt({ min: 0n, max: (1n << 52n) - 1n }).map((page) => page * 4096n),
    fc.bigInt({ min: 1n, max: 1n << 22n }).map((page) => (1n << 64n) - page * 4096n),
  ),
  payloadCrc: fc.oneof(fc.constant(0), fc.nat(0xffffffff)),
});

/** Every byte by hand, with Node's own writers. */
function naiveFrame(header: BulkFrameHeader): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt16LE(header.type, 0);
  bytes.writeUInt16LE(header.region, 4);
  bytes.writeUInt32LE(header.round, 8);
  bytes.writeUInt32LE(header.count, 12);
  bytes.writeBigUInt64LE(header.offset, 16);
  bytes.writeUInt32LE(header.payloadCrc, 24);
  bytes.writeUInt32LE(slowCrc32c(bytes.subarray(0, 28)), 28);
  return bytes;
}

/** SPEC.md's table, read off once more. */
function allowed(
  version: PeerVersion,
  { type, region, round, count, offset, payloadCrc }: BulkFrameHeader,
): boolean {
  const end = (unit: bigint) => offset % unit === 0n && offset + BigInt(count) * unit < 1n << 64n;
  switch (type) {
    case 0x0101:
      return count >= 1 && count <= 256 && end(4096n);
    case 0x0102:
    case 0x0104:
      return count >= 1 && count <= 1_048_576 && end(4096n) && payloadCrc === 0;
    case 0x0103:
      return region === 0 && offset === 0n && (version >= 2 || payloadCrc === 0);
    case 0x0105:
      return region === 0 && offset === 0n && payloadCrc === 0;
    case 0x0106:
      return region === 0 && round === 0 && count >= 1 && count <= 1_048_576 && end(1n);
    case 0x0107:
      return region === 0 && round === 0 && count === 0;
    case 0x0108:
      return region === 0 && round === 0 && count === 0 && payloadCrc === 0;
    default:
      return false;
  }
}

describe('a bulk frame header', () => {
  it.each([...PEER_VERSIONS])(
    'of version %i is laid out as by hand, and read or refused as the table says (R6)',
    (version) => {
      let accepted = 0;
      fc.assert(
        fc.property(headers, (header) => {
          const bytes = naiveFrame(header);
          const result = decodeBulkFrameHeader(version, bytes);
          expect(result.ok).toBe(allowed(version, header));
          if (!result.ok) {
            expect(() => encodeBulkFrameHeader(version, header)).toThrow(RangeError);
            return;
          }
          accepted++;
          expect(result.value).toEqual(header);
          expect(Buffer.from(encodeBulkFrameHeader(version, header))).toEqual(bytes);
        }),
        { numRuns: 5_000 },
      );
      expect(accepted).toBeGreaterThan(200);
    },
  );

  it('with any bit flipped is refused (R6)', () => {
    const whole = naiveFrame({ type: 0x101, region: 1, round: 2, count: 3, offset: 8192n, payloadCrc: 7 });
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      for (const version of PEER_VERSIONS) {
        expect(decodeBulkFrameHeader(version, damaged)).toMatchObject({ ok: false, error: { code: 'crc' } });
      }
    }
  });
});

describe('the digest of a round', () => {
  const frame = (at: number, round = 3, region = 0) =>
    encodeBulkFrameHeader(2, {
      ...{ type: BulkType.data, region, round, count: 1, payloadCrc: 7 },
      offset: BigInt(at) * 4096n,
    });
  const sent = fc.uniqueArray(fc.nat(5_000), { minLength: 2, maxLength: 20 });

  it('tells a round from one with a frame lost, doubled, out of place or of another round, each right by itself', () => {
    fc.assert(
      fc.property(sent, fc.nat(), (pages, choice) => {
        const headers = pages.map((page) => frame(page));
        const digest = roundDigest(headers);
        const at = choice % (headers.length - 1);
        const [one, next] = [headers[at], headers[at + 1]] as [Uint8Array, Uint8Array];
        const before = headers.slice(0, at);
        const after = headers.slice(at + 2);
        const stranger = frame(pages[at] as number, 4);
        const elsewhere = frame(pages[at] as number, 3, 1);
        for (const wrong of [[next], [one, one, next], [next, one], [stranger, next], [elsewhere, next]]) {
          expect(roundDigest([...before, ...wrong, ...after])).not.toBe(digest);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('leaves out each header’s own checksum, with which it would be the same for any headers', () => {
    const naive = (headers: readonly Uint8Array[]) => crc32c(Buffer.concat(headers));
    expect(naive([frame(1), frame(2)])).toBe(naive([frame(3), frame(4)]));
    expect(roundDigest([frame(1), frame(2)])).not.toBe(roundDigest([frame(3), frame(4)]));
  });

  it('of a round without frames is 0', () => {
    expect(roundDigest([])).toBe(0);
  });
});

describe('bytes from a peer', () => {
  const decoders = {
    preamble: decodePreamble,
    'bulk-hello': decodeBulkHello,
    'bulk-frame': (bytes: Uint8Array, version: PeerVersion) => decodeBulkFrameHeader(version, bytes),
  };
  const originals = vectors.filter((vector) => vector.kind in decoders);

  it('never throw out of a decoder, whatever was done to them (R6)', () => {
    const edits = fc.array(fc.tuple(fc.nat(63), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        edits,
        fc.nat(80),
        fc.boolean(),
        fc.constantFrom(...PEER_VERSIONS),
        (vector, changes, length, mend, version) => {
          const bytes = bytesOf(vector).slice(0, length);
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          const size = vector.kind === 'bulk-hello' ? 48 : 32;
          if (mend && vector.kind !== 'preamble' && bytes.length >= size) {
            // A right checksum, so that the mutation reaches the fields behind it.
            const view = new DataView(bytes.buffer);
            view.setUint32(size - 4, slowCrc32c(bytes.subarray(0, size - 4)), true);
          }
          const result = decoders[vector.kind as keyof typeof decoders](bytes, version);
          if (!result.ok) expect(result.error.path).toMatch(new RegExp(`^${vector.kind}(\\.\\w+)?$`));
        },
      ),
      { numRuns: 5_000 },
    );
  });
});
