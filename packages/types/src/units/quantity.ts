import { typesErrors } from '../codes.js';
import { quoteBriefly } from '../document/quote.js';

/** Decimal digits with an optional fraction, then a unit; no sign, no exponent, one optional blank between. */
const QUANTITY = /^(\d{1,15})(?:\.(\d{1,9}))?\s?([A-Za-zµ/]+)$/;

/**
 * Reads "number unit" and multiplies exactly, so that `0.1Gbit` is what it says. `units` gives the factor of each unit as a
 * fraction [numerator, denominator] of the result; the result is rounded to a whole number and must be a safe integer.
 *
 * Errors: `quantity-invalid`, with `what` and `example` in the sentence.
 */
export function parseQuantity(
  text: string,
  what: string,
  example: string,
  unitOf: (unit: string) => readonly [bigint, bigint] | undefined,
): number {
  const refuse = (why: string) =>
    typesErrors.error(
      'quantity-invalid',
      `${quoteBriefly(text)} is not a ${what}: ${why}; write for example ${example}.`,
    );
  const match = QUANTITY.exec(text.trim());
  if (match === null) throw refuse('it is not a number followed by a unit');
  const [, whole = '', fraction = '', unit = ''] = match;
  const factor = unitOf(unit);
  if (factor === undefined) throw refuse(`the unit ${quoteBriefly(unit)} is not known`);
  const scale = 10n ** BigInt(fraction.length);
  const numerator = BigInt(whole + fraction) * factor[0];
  const denominator = scale * factor[1];
  const value = (2n * numerator + denominator) / (2n * denominator);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw refuse('it is too large');
  return Number(value);
}
