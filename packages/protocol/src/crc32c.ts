/**
 * CRC32C (Castagnoli): polynomial 0x1EDC6F41, reflected, initial and final value all ones; "123456789" gives 0xE3069283.
 *
 * For control frames and headers only: a few kilobytes a second. Pages are summed by the native core.
 */
const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
  return value;
});

/** Checksum of `bytes`, or of what `previous` was the checksum of followed by `bytes`. */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous;
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}
