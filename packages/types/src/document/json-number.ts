import { quoteBriefly } from './quote.js';

/**
 * What is lost when a JSON number becomes a double, as the end of a sentence; null where nothing is. A value that a reader would round is
 * refused instead, because two releases could round it differently, and 64-bit numbers travel as text for this reason.
 */
export function describeInexact(literal: string): string | null {
  // Fifteen decimal digits always come back from a double as they went in (IEEE 754, DBL_DIG).
  if (literal.length <= 15 && !/[eE]/.test(literal)) return null;
  const value = Number(literal);
  const beyond = describeBeyond(value);
  if (beyond !== null) return `the number ${quoteBriefly(literal, 40).slice(1, -1)}, ${beyond}`;
  const [written, kept] = [significant(literal), significant(String(value))];
  if (written.digits === kept.digits && written.exponent === kept.exponent) return null;
  return `the number ${quoteBriefly(literal, 40).slice(1, -1)}, which would be rounded to ${value}`;
}

/** The same for a number that was parsed elsewhere: where integers end, it may have been rounded before. */
export function describeBeyond(value: number): string | null {
  if (!Number.isInteger(value) && Number.isFinite(value)) return null;
  return Number.isSafeInteger(value) ? null : `beyond the limit of ±${Number.MAX_SAFE_INTEGER}`;
}

/** A decimal number as its digits without the zeros at both ends, and the power of ten of the last one. */
function significant(decimal: string): { readonly digits: string; readonly exponent: number } {
  const [mantissa = '', power = '0'] = decimal.replace(/^-/, '').split(/[eE]/);
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const short = digits.replace(/0+$/, '');
  if (short === '') return { digits: '', exponent: 0 };
  return { digits: short, exponent: Number(power) - fraction.length + digits.length - short.length };
}
