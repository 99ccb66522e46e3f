/**
 * CRC32C (Castagnoli): polynomial 0x1EDC6F41, reflected, initial and final value all ones; "123456789" gives 0xE3069283.
 *
 * For control frames, headers and a machine's state: some kilobytes, but while a guest may wait for them, so four bytes at a time. Pages are summed by
 * the native core.
 */
const TABLES = tables();

/** Table n has the checksum of each byte with n zero bytes behind it. */
function tables(): readonly [Uint32Array, Uint32Array, Uint32Array, Uint32Array] {
  const first = Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
    return value;
  });
  const next = (table: Uint32Array) => table.map((value) => (first[value & 0xff] as number) ^ (value >>> 8));
  const second = next(first);
  const third = next(second);
  return [first, second, third, next(third)];
}

/** Checksum of `bytes`, or of what `previous` was the checksum of followed by `bytes`. */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  const [first, second, third, fourth] = TABLES;
  const whole = bytes.length & ~3;
  let crc = ~previous;
  let at = 0;
  for (; at < whole; at += 4) {
    // Inside the bounds by the loop's own; the type cannot know.
    crc ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    crc =
      (fourth[crc & 0xff] as number) ^
      (third[(crc >>> 8) & 0xff] as number) ^
      (second[(crc >>> 16) & 0xff] as number) ^
      (first[crc >>> 24] as number);
  }
  for (; at < bytes.length; at++) crc = (first[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}
