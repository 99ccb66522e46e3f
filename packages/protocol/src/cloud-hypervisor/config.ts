import { checkShape, fitsU64, parseStrictJson } from '@drover/types';
import { z } from 'zod';
import { GuestMemory, type RamMapping } from './guest-memory.js';
import { refuse, type WireRead } from './refusal.js';
import { RAM_MAPPINGS, WIRE_LIMITS } from './registry.js';

/** Levels of the Config document; Cloud Hypervisor's own has fewer than ten. */
const CONFIG_DEPTH = 64;

/** Begins what {@link markLongNumbers} made a string. A document that forges it gets its digits taken for the number they are. */
const MARK = 'number:';

const u64 = z
  .union([z.number(), z.string().startsWith(MARK)], { error: 'is no number of 64 bits' })
  .transform((value, context) => {
    const digits = String(value).replace(MARK, '');
    if (/^\d+$/.test(digits) && fitsU64(digits)) return BigInt(digits);
    context.addIssue({ code: 'custom', message: 'is no number of 64 bits' });
    return z.NEVER;
  });

/** The part of the Config document that its reader needs. All else stays what it is. */
const configSchema = z.looseObject({
  memory_manager_data: z.looseObject({
    guest_ram_mappings: z
      .array(
        z.looseObject({
          slot: z.int().min(0).max(0xffff_ffff),
          gpa: u64,
          size: u64,
          zone_id: z.string(),
          virtio_mem: z.boolean(),
          file_offset: u64,
        }),
      )
      .max(RAM_MAPPINGS),
  }),
});

/**
 * The guest's memory, out of a Config document. The document itself is only ever passed on as bytes: it has 64-bit numbers that do not
 * survive being read and written again.
 *
 * Never throws. Refused as `utf8`, `json` (not JSON, a key twice, too deep, too large), `shape` and `mapping`.
 */
export function readGuestMemory(bytes: Uint8Array): WireRead<GuestMemory> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse('utf8', 'config', 0, 'is not UTF-8');
  }
  const marked = markLongNumbers(text);
  const json = parseStrictJson(marked, { maxBytes: 2 * WIRE_LIMITS.configBytes, maxDepth: CONFIG_DEPTH });
  if (!json.ok) return refuse('json', 'config', 0, json.message);
  const shape = checkShape(configSchema, json.value, 'config');
  if (!shape.ok) return refuse('shape', 'config', 0, `has the wrong shape: ${shape.sentence}`);
  const mappings: RamMapping[] = shape.value.memory_manager_data.guest_ram_mappings.map(
    ({ slot, gpa, size, zone_id: zoneId, virtio_mem: virtioMem, file_offset: fileOffset }) => ({
      ...{ slot, gpa, size, zoneId, virtioMem, fileOffset },
    }),
  );
  return GuestMemory.of(mappings);
}

/** The same text with each number of 16 characters or more as a marked string: a double would round it, a shorter one it holds. */
function markLongNumbers(text: string): string {
  let marked = '';
  let copied = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') at = stringEnd(text, at);
    else if (isNumeric(text[at])) {
      const start = at;
      while (isNumeric(text[at + 1])) at++;
      const number = text.slice(start, at + 1);
      if (number.length < 16 || !JSON_NUMBER.test(number)) continue;
      marked += `${text.slice(copied, start)}"${MARK}${number}"`;
      copied = at + 1;
    }
  }
  return marked + text.slice(copied);
}

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** Offset of the quote that ends the string which begins at `start`; the end of the text where there is none. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

/** Outside strings only `true` and `false` have such a character too, and neither has 16. */
function isNumeric(unit: string | undefined): boolean {
  return unit !== undefined && '0123456789+-.eE'.includes(unit);
}
