import { bytes, reserved, u16 } from '../codec/field.js';
import type { DecodeResult } from '../codec/result.js';
import { type StructValue, struct } from '../codec/struct.js';
import { BulkKind, PeerLimits } from './registry.js';

/** What follows the initiator's preamble on a bulk connection: which migration, and which of its channels. */
export const bulkHelloStruct = struct({
  name: 'bulk-hello',
  size: PeerLimits.bulkHelloBytes,
  checksum: true,
  fields: {
    token: bytes(0, 32, 'token from PREPARED'),
    kind: u16(32, 'kind: 1 pages, 2 state'),
    channel: u16(34, 'channel: 0 … channels−1; 0 for state'),
    channels: u16(36, 'channels: page channels of this migration'),
    reserved: reserved(38, 6),
  },
  rules: ({ kind, channel, channels }) => {
    if (kind !== BulkKind.pages && kind !== BulkKind.state) {
      return { field: 'kind', code: 'kind', message: `is ${kind}, which is no kind of bulk connection` };
    }
    if (channels < 1 || channels > PeerLimits.channels) {
      return {
        field: 'channels',
        code: 'channels',
        message: `is ${channels}, not 1 to ${PeerLimits.channels}`,
      };
    }
    const limit = kind === BulkKind.state ? 1 : channels;
    if (channel >= limit) {
      return { field: 'channel', code: 'channel', message: `is ${channel}, not below ${limit}` };
    }
    return null;
  },
});

/** `token` has 32 bytes; `kind` is one of {@link BulkKind}. */
export type BulkHello = StructValue<typeof bulkHelloStruct.fields>;

/** 48 bytes, the checksum included. */
export function encodeBulkHello(hello: BulkHello): Uint8Array {
  return bulkHelloStruct.encode(hello);
}

/** Never throws, whatever the peer sent. */
export function decodeBulkHello(bytes: Uint8Array): DecodeResult<BulkHello> {
  return bulkHelloStruct.decode(bytes);
}
