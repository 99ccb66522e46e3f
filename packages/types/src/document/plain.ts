import type { JsonLimits, JsonResult } from './json.js';
import { describeBeyond } from './json-number.js';
import { formatPath, quoteBriefly } from './quote.js';

/**
 * Holds a value that was parsed elsewhere to the same limits as a text: only JSON's own kinds of value, no key that reaches a
 * prototype, depth and size bounded. Never throws; a value that contains itself ends at the depth limit.
 *
 * The size is an upper bound on the work of a reader rather than the exact length of the text: characters of keys and strings,
 * and eight for each value.
 */
export function checkPlainJson(value: unknown, limits: JsonLimits): JsonResult {
  let budget = limits.maxBytes;
  const path: PropertyKey[] = [];
  const visit = (part: unknown, depth: number): Extract<JsonResult, { ok: false }> | null => {
    budget -= 8;
    if (typeof part === 'string') budget -= part.length;
    if (budget < 0) return tooLarge(limits);
    if (part === null || typeof part === 'string' || typeof part === 'boolean') return null;
    if (typeof part === 'number') return checkNumber(part, path.slice(0, depth));
    if (typeof part !== 'object') return notJson(typeof part);
    if (depth >= limits.maxDepth) {
      const message = `is nested deeper than ${limits.maxDepth} levels`;
      return { ok: false, problem: 'too-deep', message };
    }
    if (Array.isArray(part)) {
      for (const [index, element] of part.entries()) {
        path[depth] = index;
        const problem = visit(element, depth + 1);
        if (problem) return problem;
      }
      return null;
    }
    const prototype: unknown = Object.getPrototypeOf(part);
    if (prototype !== Object.prototype && prototype !== null) return notJson('an object of a class');
    for (const [key, element] of Object.entries(part)) {
      budget -= key.length;
      if (key === '__proto__') {
        const message = `names the key ${quoteBriefly(key)}, which is not allowed`;
        return { ok: false, problem: 'forbidden-key', message };
      }
      // An absent field and one set to undefined are the same document.
      if (element === undefined) continue;
      path[depth] = key;
      const problem = visit(element, depth + 1);
      if (problem) return problem;
    }
    return null;
  };
  return visit(value, 0) ?? { ok: true, value };
}

function checkNumber(value: number, path: readonly PropertyKey[]): Extract<JsonResult, { ok: false }> | null {
  if (!Number.isFinite(value)) return notJson(String(value));
  const beyond = describeBeyond(value);
  if (beyond === null) return null;
  const message = `holds in ${formatPath('document', path)} the number ${value}, ${beyond}`;
  return { ok: false, problem: 'inexact-number', message };
}

/** The refusal of what is larger than `limits`. */
export function tooLarge(limits: JsonLimits): Extract<JsonResult, { ok: false }> {
  return { ok: false, problem: 'too-large', message: `is larger than ${limits.maxBytes} bytes` };
}

function notJson(what: string): Extract<JsonResult, { ok: false }> {
  return { ok: false, problem: 'syntax', message: `is not JSON: it holds ${what}` };
}
