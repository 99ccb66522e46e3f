/**
 * Headers of the bulk channels, for golden vectors and tools. The channels themselves are the native core's (R9); both
 * implementations are held to the same vectors.
 */
import { reserved, u16, u32, u64 } from '../codec/field.js';
import type { CodecProblem, DecodeResult } from '../codec/result.js';
import { type Struct, struct } from '../codec/struct.js';
import { BulkType, PeerLimits, type PeerVersion } from './registry.js';

const PAGE = 4096n;

interface FrameRule {
  /** Pages or bytes in one frame; null where `count` is free. 0 where it must be zero. */
  readonly maxCount: number | null;
  /** Of the numbers that begin with `offset`: what one of `count` is in bytes. 0n: `offset` must be zero; null: `offset` is free. */
  readonly unit: bigint | null;
  readonly hasRegion: boolean;
  readonly hasRound: boolean;
  readonly hasPayloadCrc: boolean;
}

const run = { unit: PAGE, hasRegion: true, hasRound: true } as const;
const mark = { maxCount: null, unit: 0n, hasRegion: false, hasRound: true, hasPayloadCrc: false } as const;
const stateEnd = { maxCount: 0, unit: null, hasRegion: false, hasRound: false } as const;

type FrameRules = Readonly<Record<number, FrameRule>>;

/** What each type may carry in version 1; the same table is in SPEC.md. */
const rulesOfV1: FrameRules = {
  [BulkType.data]: { ...run, maxCount: PeerLimits.dataRunPages, hasPayloadCrc: true },
  [BulkType.zero]: { ...run, maxCount: PeerLimits.runPages, hasPayloadCrc: false },
  [BulkType.torn]: { ...run, maxCount: PeerLimits.runPages, hasPayloadCrc: false },
  [BulkType.roundEnd]: mark,
  [BulkType.roundEndAck]: mark,
  [BulkType.state]: {
    ...{ maxCount: PeerLimits.stateFrameBytes, unit: 1n, hasPayloadCrc: true },
    ...{ hasRegion: false, hasRound: false },
  },
  [BulkType.stateEnd]: { ...stateEnd, hasPayloadCrc: true },
  [BulkType.stateEndAck]: { ...stateEnd, hasPayloadCrc: false },
};

/** Version 2: the end of a round carries the digest of the round where other frames carry their payload's checksum. */
const rulesOfV2: FrameRules = { ...rulesOfV1, [BulkType.roundEnd]: { ...mark, hasPayloadCrc: true } };

/** All versions have the same layout. */
const fields = {
  type: u16(0, 'type'),
  flags: reserved(2, 2, 'flags'),
  region: u16(4, "region, index into PREPARE's `regions`; 0 where it means nothing"),
  reserved: reserved(6, 2),
  round: u32(8, 'round; 0 for state frames'),
  count: u32(12, 'count'),
  offset: u64(16, 'offset'),
  payloadCrc: u32(24, 'CRC32C of the payload'),
};

export const bulkFrameStructs = {
  1: layout(rulesOfV1),
  2: layout(rulesOfV2),
} as const satisfies Readonly<Record<PeerVersion, Struct<typeof fields>>>;

function layout(rules: FrameRules): Struct<typeof fields> {
  return struct({
    ...{ name: 'bulk-frame', size: PeerLimits.bulkHeaderBytes, checksum: true, fields },
    rules: (header) => checkFrame(rules, header),
  });
}

/** `offset` is in bytes, `count` in what the type counts: pages, bytes or frames. */
export interface BulkFrameHeader {
  readonly type: number;
  readonly region: number;
  readonly round: number;
  readonly count: number;
  readonly offset: bigint;
  /** CRC32C; of a `roundEnd` from version 2 on, the {@link import('./round-digest.js').roundDigest}. */
  readonly payloadCrc: number;
}

/** 32 bytes, the checksum included. */
export function encodeBulkFrameHeader(version: PeerVersion, header: BulkFrameHeader): Uint8Array {
  return bulkFrameStructs[version].encode(header);
}

/**
 * Never throws, whatever the peer sent. Whether the region exists and the run lies inside it is for the reader who knows the
 * regions.
 */
export function decodeBulkFrameHeader(
  version: PeerVersion,
  bytes: Uint8Array,
): DecodeResult<BulkFrameHeader> {
  return bulkFrameStructs[version].decode(bytes);
}

/** Bytes that follow the header. */
export function bulkPayloadBytes({ type, count }: Pick<BulkFrameHeader, 'type' | 'count'>): number {
  if (type === BulkType.data) return count * Number(PAGE);
  return type === BulkType.state ? count : 0;
}

type FrameViolation = { field: keyof BulkFrameHeader; code: CodecProblem; message: string };

function checkFrame(rules: FrameRules, header: BulkFrameHeader): FrameViolation | null {
  const { type, region, round, count, offset, payloadCrc } = header;
  const rule = rules[type];
  const wrong = (field: keyof BulkFrameHeader, code: CodecProblem, message: string) => ({
    field,
    code,
    message,
  });
  if (rule === undefined) return wrong('type', 'type', `is 0x${type.toString(16)}, which is no bulk frame`);
  if (!rule.hasRegion && region !== 0)
    return wrong('region', 'region', `is ${region} where it means nothing`);
  if (!rule.hasRound && round !== 0) return wrong('round', 'round', `is ${round} in a state frame`);
  if (rule.maxCount !== null) {
    const least = rule.maxCount === 0 ? 0 : 1;
    if (count < least || count > rule.maxCount) {
      return wrong('count', 'count', `is ${count}, not ${least} to ${rule.maxCount}`);
    }
  }
  if (!rule.hasPayloadCrc && payloadCrc !== 0) {
    return wrong('payloadCrc', 'payload-crc', 'is given for a frame without a payload');
  }
  if (rule.unit === 0n && offset !== 0n)
    return wrong('offset', 'offset', `is ${offset} where it means nothing`);
  if (rule.unit !== null && rule.unit !== 0n) {
    if (offset % rule.unit !== 0n) return wrong('offset', 'offset', `is ${offset}, not at a page's start`);
    if (offset + BigInt(count) * rule.unit >= 1n << 64n) {
      return wrong('offset', 'offset', `is ${offset}: the run ends beyond 64 bits`);
    }
  }
  return null;
}
