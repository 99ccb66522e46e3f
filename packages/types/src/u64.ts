/** Largest number of 64 bits without a sign. */
export const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** True when a decimal string (already known to be digits only) fits 64 bits. */
export function fitsU64(decimal: string): boolean {
  return decimal.length <= 20 && BigInt(decimal) <= U64_MAX;
}
