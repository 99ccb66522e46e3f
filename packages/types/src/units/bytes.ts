import { parseQuantity } from './quantity.js';

const DECIMAL = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** Bytes for each unit. `B` must be upper case, so that nobody reads `Mb` as megabytes and gets an eighth. */
const byteUnits = new Map<string, readonly [bigint, bigint]>();
/** Bits, as bytes: a fraction of eight. */
const bitUnits = new Map<string, readonly [bigint, bigint]>();
for (const [power, prefix] of DECIMAL.entries()) {
  byteUnits.set(`${prefix}B`, [1000n ** BigInt(power), 1n]);
  if (power > 0) byteUnits.set(`${prefix.toUpperCase()}iB`, [1024n ** BigInt(power), 1n]);
  bitUnits.set(`${prefix.toLowerCase()}bit`, [1000n ** BigInt(power), 8n]);
}
byteUnits.set('KB', [1000n, 1n]);

/** `256MiB`, `1.5GB`, `4096B` → bytes. Errors: `quantity-invalid`. */
export function parseSize(text: string): number {
  return parseQuantity(text, 'size', '256MiB, 4GiB or 500MB', byteUnit);
}

/**
 * `1Gbit`, `500Mbit/s`, `100MiB`, `1.5GB/s` → bytes a second. Bits in any case, bytes with an upper-case B, `/s` if one likes.
 * Errors: `quantity-invalid`.
 */
export function parseBandwidth(text: string): number {
  return parseQuantity(text, 'bandwidth', '1Gbit, 500Mbit or 100MiB', (unit) => {
    const plain = unit.replace(/\/s$/, '');
    return byteUnit(plain) ?? bitUnits.get(plain.toLowerCase());
  });
}

function byteUnit(unit: string): readonly [bigint, bigint] | undefined {
  return (
    byteUnits.get(unit) ??
    byteUnits.get(unit.replace(/^([kmgtp])ib$/i, (_, prefix: string) => `${prefix.toUpperCase()}iB`))
  );
}

/** 1536 → `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  return formatScaled(bytes, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
}

/** Bytes a second, as people say it of a link: 125000000 → `1 Gbit/s`. */
export function formatBandwidth(bytesPerSecond: number): string {
  return formatScaled(bytesPerSecond * 8, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s', 'Pbit/s']);
}

function formatScaled(value: number, step: number, units: readonly [string, ...string[]]): string {
  let index = 0;
  let scaled = value;
  // What would be rounded up to a whole step belongs to the next unit: never "1024 KiB".
  while (index < units.length - 1 && Number(formatThreeDigits(scaled)) >= step) {
    scaled /= step;
    index++;
  }
  return `${formatThreeDigits(scaled)} ${units[index]}`;
}

/** Three digits that say something: 1.23, 12.3, 123, without trailing zeros. */
export function formatThreeDigits(value: number): string {
  const decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return String(Number(value.toFixed(decimals)));
}
