/** What a broken or hostile peer may send, in every version: it is read or refused by name, and nothing crashes, hangs or grows. */
import { type Duplex, duplexPair } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ControlChannel,
  ControlFrameDecoder,
  ControlType,
  decodeControlMessage,
  encodeControlFrame,
  type MandatoryControlName,
  OPTIONAL_BIT,
  PEER_VERSIONS,
  PeerLimits,
  type PeerVersion,
} from '../src/index.js';
import { bytesOf, vectorsOf } from './vectors.js';

/** Frames for each way of looking at them, and version. */
const FRAMES = 6_000;
const CONVERSATIONS = 1_500;

interface Part {
  readonly type: number;
  readonly payload: Uint8Array;
}

const mandatory = Object.entries(ControlType)
  .filter(([, type]) => (type & OPTIONAL_BIT) === 0)
  .map(([name]) => name as MandatoryControlName);

/** The frames of the golden vectors, without their sequence numbers. */
function partsOf(version: PeerVersion): readonly Part[] {
  return vectorsOf('control-frame', version).valid.map((vector) => {
    const bytes = bytesOf(vector);
    return {
      type: Buffer.from(bytes).readUInt16LE(0),
      payload: bytes.subarray(PeerLimits.controlHeaderBytes),
    };
  });
}

type Mutation = (part: Part, sequence: number) => Uint8Array;

/** Bytes changed where they stand; the checksum no longer holds, or the field before it is refused. */
const flips = fc
  .array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 })
  .map(
    (edits): Mutation =>
      (part, sequence) => {
        const frame = encodeControlFrame({ ...part, sequence });
        for (const [at, bits] of edits)
          frame[at % frame.length] = (frame[at % frame.length] as number) ^ bits;
        return frame;
      },
  );

/** The payload damaged or cut under a right checksum, so that the damage reaches what is behind it. */
const damagedPayloads = fc
  .tuple(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(), fc.boolean())
  .map(
    ([edits, end, cut]): Mutation =>
      (part, sequence) => {
        const payload = part.payload.slice(0, cut ? end % (part.payload.length + 1) : undefined);
        for (const [at, value] of edits) if (payload.length > 0) payload[at % payload.length] = value;
        return encodeControlFrame({ type: part.type, sequence, payload });
      },
  );

/** A document of the wrong shape: a field gone, a value of another kind or far out of range, a field twice. */
const strangeValues = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(null, -1, 1e308, 2 ** 53, '', 'x'.repeat(5_000), [], {}, { constructor: [1] }),
  fc.constantFrom(20, 40, 4_000).map((depth) => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)),
  fc.array(fc.nat(70_000), { maxLength: 80 }),
);
const strangeDocuments = fc
  .tuple(fc.nat(), strangeValues, fc.constantFrom('replace', 'delete', 'twice', 'add'))
  .map(
    ([choice, value, how]): Mutation =>
      (part, sequence) => {
        const document = JSON.parse(Buffer.from(part.payload).toString());
        const keys = Object.keys(document);
        const key = keys[choice % Math.max(1, keys.length)] ?? 'later';
        if (how === 'replace') document[key] = value;
        if (how === 'delete') delete document[key];
        if (how === 'add') document[`later${choice % 7}`] = value;
        const text = JSON.stringify(document);
        const payload = how === 'twice' ? `{"${key}":1,${text.slice(1)}` : text;
        return encodeControlFrame({ type: part.type, sequence, payload: Buffer.from(payload) });
      },
  );

/** A header that says something else, under a right checksum. */
const strangeHeaders = fc
  .tuple(fc.oneof(fc.nat(0xffff), fc.constantFrom(...Object.values(ControlType))), fc.nat(2))
  .map(
    ([type, later]): Mutation =>
      ({ payload }, sequence) =>
        encodeControlFrame({ type, sequence: sequence + later, payload }),
  );

const mutations = fc.oneof(flips, damagedPayloads, strangeDocuments, strangeHeaders);

describe.each([...PEER_VERSIONS])('control frames of version %i', (version) => {
  const parts = partsOf(version);
  const part = fc.constantFrom(...parts);

  it(`are read or refused by name, whatever was done to them: ${FRAMES} of them (R6)`, () => {
    const codes = new Set<string>();
    fc.assert(
      fc.property(part, mutations, (original, mutate) => {
        const decoder = new ControlFrameDecoder();
        const { frames, error } = decoder.push(mutate(original, 0));
        if (error) codes.add(error.code);
        for (const frame of frames) {
          const result = decodeControlMessage(version, frame);
          codes.add(result.ok ? (result.value === null ? 'skipped' : 'read') : result.error.code);
        }
        expect(decoder.bufferedBytes).toBeLessThan(2 * PeerLimits.controlPayloadBytes);
      }),
      { numRuns: FRAMES },
    );
    // Every way of being wrong was met, and so was every way of being right.
    const every = [
      'crc',
      'flags',
      'json',
      'length',
      'message',
      'read',
      'sequence',
      'skipped',
      'type',
      'utf8',
    ];
    expect([...codes].sort()).toEqual(every);
  });

  it(`end a conversation in order or for a violation, wherever they come: ${CONVERSATIONS} of them (R6)`, async () => {
    const endings = new Set<string>();
    const story = fc.array(fc.tuple(part, fc.option(mutations, { freq: 3, nil: null })), {
      minLength: 2,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(story, fc.integer({ min: 1, max: 4_000 }), async (frames, pieceBytes) => {
        const bytes = Buffer.concat(
          frames.map(([original, mutate], sequence) =>
            mutate ? mutate(original, sequence) : encodeControlFrame({ ...original, sequence }),
          ),
        );
        endings.add(await converse(version, bytes, pieceBytes));
      }),
      { numRuns: CONVERSATIONS },
    );
    expect([...endings].sort()).toEqual(['peer-closed', 'peer-violation']);
  });
});

/** Sends bytes in pieces to a live channel that takes every message, and answers with the code that ended it. */
async function converse(version: PeerVersion, bytes: Buffer, pieceBytes: number): Promise<string> {
  const [stream, wire]: [Duplex, Duplex] = duplexPair();
  wire.on('error', () => undefined);
  const channel = new ControlChannel({ stream, version });
  for (let at = 0; at < bytes.length; at += pieceBytes) wire.write(bytes.subarray(at, at + pieceBytes));
  wire.end();
  for (;;) {
    const received = await channel.expect(mandatory, { timeoutMs: 5_000 }).catch(() => null);
    if (received === null) return (await channel.ended).code;
  }
}
