import { typesErrors } from '../codes.js';
import { formatThreeDigits } from './bytes.js';
import { parseQuantity } from './quantity.js';

/** Microseconds for each unit. */
const durationUnits = new Map<string, readonly [bigint, bigint]>([
  ['us', [1n, 1n]],
  ['µs', [1n, 1n]],
  ['ms', [1_000n, 1n]],
  ['s', [1_000_000n, 1n]],
  ['m', [60_000_000n, 1n]],
  ['min', [60_000_000n, 1n]],
  ['h', [3_600_000_000n, 1n]],
]);

/** `20ms`, `1.5s`, `2m`, `1h`, `500us` → ms, to the microsecond. Errors: `quantity-invalid`. */
export function parseDuration(text: string): number {
  return parseQuantity(text, 'duration', '20ms, 1.5s or 10m', (unit) => durationUnits.get(unit)) / 1000;
}

/** Like {@link parseDuration}, for settings that are whole milliseconds: a fraction of one is refused rather than rounded. */
export function parseWholeMilliseconds(text: string): number {
  const ms = parseDuration(text);
  if (Number.isInteger(ms)) return ms;
  throw typesErrors.error(
    'quantity-invalid',
    `"${text.trim()}" is not a whole number of milliseconds; write for example 20ms.`,
  );
}

/** ms → `870 µs`, `12.3 ms`, `1.5 s`, `2 min 5 s`, `1 h 4 min`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0 ms';
  if (ms < 0.9995) return `${formatThreeDigits(ms * 1000)} µs`;
  if (ms < 999.5) return `${formatThreeDigits(ms)} ms`;
  if (ms < 59_950) return `${formatThreeDigits(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return pair(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.round(seconds / 60);
  return pair(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}
