import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type BulkFrameHeader,
  bulkPayloadBytes,
  type CodecError,
  ControlFrameDecoder,
  type ControlName,
  ControlType,
  crc32c,
  type DecodeResult,
  decodeBulkFrameHeader,
  decodeBulkHello,
  decodeControlMessage,
  decodePreamble,
  encodeBulkFrameHeader,
  encodeBulkHello,
  encodeControlMessage,
  encodePreamble,
  PEER_VERSIONS,
  type PeerVersion,
  Role,
  type RoleName,
  roundDigest,
} from '../src/index.js';
import {
  asLines,
  bytesOf,
  type Vector,
  vectorFiles,
  vectorFolder,
  vectorsByVersion,
  vectorsFor,
  vectorsOf,
} from './vectors.js';

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function value<T>(result: DecodeResult<T>): T {
  if (!result.ok) throw new Error(`${result.error.path} ${result.error.message}`);
  return result.value;
}

function roleName(number: unknown): RoleName {
  return Object.entries(Role).find(([, role]) => role === number)?.[0] as RoleName;
}

/** Whole path of a control frame: bytes, frame, message. */
function decodeControl(version: PeerVersion, bytes: Uint8Array): DecodeResult<unknown> {
  const { frames, error } = new ControlFrameDecoder().push(bytes);
  if (error) return { ok: false, error };
  const [frame] = frames;
  return frame === undefined ? { ok: true, value: undefined } : decodeControlMessage(version, frame);
}

describe('the golden vectors', () => {
  it('are frozen: the bytes of each file are those that were listed', () => {
    const listed = readFileSync(join(vectorFolder, 'FROZEN.sha256'), 'utf8').trimEnd().split('\n');
    const present = vectorFiles.map((name) => {
      const hash = createHash('sha256').update(readFileSync(join(vectorFolder, name)));
      return `${hash.digest('hex')}  ${name}`;
    });
    expect(present).toEqual(listed);
  });

  it.each([...vectorsByVersion])('of peer protocol %i say the same as JSON and as lines', (version, own) => {
    expect(readFileSync(join(vectorFolder, `peer-v${version}.txt`), 'utf8')).toBe(asLines(own));
  });
});

describe.each([...PEER_VERSIONS])('the golden vectors of peer protocol %i', (version) => {
  const vectors = vectorsFor(version);

  it('have a name each', () => {
    const own = vectorsByVersion.get(version) ?? [];
    const names = own.map(({ kind, name }) => `${kind} ${name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  for (const vector of vectorsOf('preamble', version).valid) {
    it(`preamble ${vector.name} is read and written`, () => {
      const fields = vector.fields as { oldest: number; newest: number; role: number };
      const expected = { oldest: fields.oldest, newest: fields.newest, role: roleName(fields.role) };
      expect(value(decodePreamble(bytesOf(vector)))).toEqual(expected);
      expect(hex(encodePreamble(expected))).toBe(vector.hex);
    });
  }

  for (const vector of vectorsOf('bulk-hello', version).valid) {
    it(`bulk hello ${vector.name} is read and written`, () => {
      const decoded = value(decodeBulkHello(bytesOf(vector)));
      expect({ ...decoded, token: hex(decoded.token) }).toEqual(vector.fields);
      expect(hex(encodeBulkHello(decoded))).toBe(vector.hex);
    });
  }

  for (const vector of vectorsOf('bulk-frame', version).valid) {
    it(`bulk frame ${vector.name} is read and written`, () => {
      const bytes = bytesOf(vector);
      const header = value(decodeBulkFrameHeader(version, bytes));
      expect({ ...header, offset: String(header.offset) }).toEqual(vector.fields);
      expect(hex(encodeBulkFrameHeader(version, header))).toBe(vector.hex.slice(0, 64));
      const payload = bytes.subarray(32);
      if (payload.length > 0) {
        expect(payload.length).toBe(bulkPayloadBytes(header));
        expect(crc32c(payload)).toBe(header.payloadCrc);
      }
    });
  }

  for (const vector of vectorsOf('control-frame', version).valid) {
    it(`control frame ${vector.name} is read and written`, () => {
      const { name, sequence, message } = vector.fields as {
        name: ControlName;
        sequence: number;
        message: never;
      };
      expect(hex(encodeControlMessage(version, name, message, sequence))).toBe(vector.hex);
      const type = Buffer.from(vector.hex, 'hex').readUInt16LE(0);
      const payload = bytesOf(vector).subarray(16);
      const received = { name, version, message };
      expect(value(decodeControlMessage(version, { type, sequence, payload }))).toEqual(received);
      if (sequence === 0) expect(value(decodeControl(version, bytesOf(vector)))).toEqual(received);
    });
  }

  for (const vector of vectorsOf('round-digest', version).valid) {
    it(`round digest ${vector.name} is computed`, () => {
      const bytes = bytesOf(vector);
      const headers = Array.from({ length: bytes.length / 32 }, (_, i) =>
        bytes.subarray(i * 32, i * 32 + 32),
      );
      expect({ frames: headers.length, digest: roundDigest(headers) }).toEqual(vector.fields);
    });
  }

  const decoders: Readonly<Record<Vector['kind'], (bytes: Uint8Array) => DecodeResult<unknown>>> = {
    preamble: decodePreamble,
    'bulk-hello': decodeBulkHello,
    'bulk-frame': (bytes) => decodeBulkFrameHeader(version, bytes),
    'round-digest': () => expect.unreachable('a digest has nothing that could be refused'),
    'control-frame': (bytes) => decodeControl(version, bytes),
  };
  for (const vector of vectors.filter(({ refusal }) => refusal !== undefined)) {
    it(`${vector.kind} ${vector.name} is refused as ${vector.refusal} (R6)`, () => {
      const result = decoders[vector.kind](bytesOf(vector));
      expect(result.ok ? 'read' : result.error.code).toBe(vector.refusal);
    });
  }

  it('leave no message of the control channel and no bulk frame without a vector', () => {
    const names = vectorsOf('control-frame', version).valid.map(({ fields }) => fields?.name);
    expect([...new Set(names)].sort()).toEqual(Object.keys(ControlType).sort());
    const types = vectorsOf('bulk-frame', version).valid.map(
      ({ fields }) => (fields as unknown as BulkFrameHeader).type,
    );
    expect([...new Set(types)].sort()).toEqual([0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107, 0x108]);
  });

  it('leave no reason for a refusal without a vector', () => {
    const codes: Record<CodecError['code'], true> = {
      ...{ truncated: true, magic: true, format: true, window: true, role: true, reserved: true, crc: true },
      ...{ kind: true, channel: true, channels: true, type: true, flags: true, region: true, round: true },
      ...{ count: true, offset: true, 'payload-crc': true, length: true, sequence: true, utf8: true },
      ...{ json: true, message: true },
    };
    const found = vectors.flatMap(({ refusal }) => (refusal === undefined ? [] : [refusal]));
    expect([...new Set(found)].sort()).toEqual(Object.keys(codes).sort());
  });
});
