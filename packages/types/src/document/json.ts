/**
 * JSON as this house reads it from files and peers. Stricter than `JSON.parse`: the size is checked before anything else,
 * the depth before anything is built; a key that comes twice is refused, because one of the two values would be
 * dropped without a word (R8) and two readers could disagree about which; and so is a number that would be rounded.
 */
import { findBadPart, findTooDeep, lineOf } from './json-scan.js';
import { formatPath } from './quote.js';

/** What a reader is ready to take. */
export interface JsonLimits {
  /** Of the text in UTF-8. */
  readonly maxBytes: number;
  /** Levels of arrays and objects; a scalar has none. */
  readonly maxDepth: number;
}

/** Limits for every document that a person or a peer hands in. */
export const DOCUMENT_LIMITS: JsonLimits = { maxBytes: 1 << 20, maxDepth: 32 };

export type JsonProblem =
  | 'too-large'
  | 'not-utf8'
  | 'too-deep'
  | 'syntax'
  | 'duplicate-key'
  | 'forbidden-key'
  | 'inexact-number';

export type JsonResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: JsonProblem; readonly message: string };

/**
 * Reads a text, or the bytes of one in UTF-8. Never throws. The message is the end of a sentence: "… is not JSON: …", "… names the key
 * "a" twice, again at line 3".
 */
export function parseStrictJson(
  source: string | Uint8Array,
  limits: JsonLimits = DOCUMENT_LIMITS,
): JsonResult {
  // UTF-8 has at least one byte for each UTF-16 unit, so the cheap test comes first.
  if (source.length > limits.maxBytes || utf8Bytes(source) > limits.maxBytes) {
    return refuse('too-large', `is larger than ${limits.maxBytes} bytes`);
  }
  const text = typeof source === 'string' ? source : decode(source);
  if (text === null) return refuse('not-utf8', 'is not UTF-8');
  const deep = findTooDeep(text, limits.maxDepth);
  if (deep !== null) {
    return refuse(
      'too-deep',
      `is nested deeper than ${limits.maxDepth} levels at line ${lineOf(text, deep)}`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    // The engine quotes the text, whatever is in it.
    const { message } = thrown as SyntaxError;
    return refuse('syntax', `is not JSON: ${message.replace(/[\s\p{Cc}]+/gu, ' ')}`);
  }
  const bad = findBadPart(text);
  if (bad === null) return { ok: true, value };
  const where = `${formatPath('document', bad.path)}, line ${lineOf(text, bad.offset)}`;
  switch (bad.problem) {
    case 'forbidden-key':
      return refuse(bad.problem, `names ${bad.what} in ${where}, which is not allowed`);
    case 'duplicate-key':
      return refuse(bad.problem, `names ${bad.what} twice in ${where}`);
    case 'inexact-number':
      return refuse(bad.problem, `holds in ${where} ${bad.what}`);
  }
}

function refuse(problem: JsonProblem, message: string): JsonResult {
  return { ok: false, problem, message };
}

function utf8Bytes(source: string | Uint8Array): number {
  return typeof source === 'string' ? new TextEncoder().encode(source).length : source.length;
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
