import { crc32c } from '../crc32c.js';
import { PeerLimits } from './registry.js';

/**
 * The digest that the end of a round carries from version 2 on: CRC32C over the headers of the round's frames on one channel, in the
 * order in which they were sent, each without its last four bytes. Those are the header's own checksum, and a CRC that runs over data
 * and then over the CRC of that data comes out the same whatever the data was.
 */
export function roundDigest(headers: readonly Uint8Array[]): number {
  return headers.reduce((crc, header) => crc32c(header.subarray(0, PeerLimits.bulkHeaderBytes - 4), crc), 0);
}
