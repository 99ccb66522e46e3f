/**
 * JSON as this house reads it from files and peers. Stricter than `JSON.parse`: the size is checked before anything else,
 * the depth before anything is built, and a key that comes twice is refused, because one of the two values would be
 * dropped without a word (R8) and two readers could disagree about which.
 */

/** What a reader is ready to take. */
export interface JsonLimits {
  /** Of the text in UTF-8. */
  readonly maxBytes: number;
  /** Levels of arrays and objects; a scalar has none. */
  readonly maxDepth: number;
}

/** Limits for every document that a person or a peer hands in. */
export const DOCUMENT_LIMITS: JsonLimits = { maxBytes: 1 << 20, maxDepth: 32 };

export type JsonProblem = 'too-large' | 'too-deep' | 'syntax' | 'duplicate-key' | 'forbidden-key';

export type JsonResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: JsonProblem; readonly message: string };

/** Never throws. The message is the end of a sentence: "… is not JSON: …", "… names the key "a" twice at line 3". */
export function parseStrictJson(text: string, limits: JsonLimits = DOCUMENT_LIMITS): JsonResult {
  // UTF-8 has at least one byte for each UTF-16 unit, so the cheap test comes first.
  if (text.length > limits.maxBytes || new TextEncoder().encode(text).length > limits.maxBytes) {
    return { ok: false, problem: 'too-large', message: `is larger than ${limits.maxBytes} bytes` };
  }
  const deep = findTooDeep(text, limits.maxDepth);
  if (deep !== null) {
    const message = `is nested deeper than ${limits.maxDepth} levels at line ${lineOf(text, deep)}`;
    return { ok: false, problem: 'too-deep', message };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    // The engine quotes the text, whatever is in it.
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    return { ok: false, problem: 'syntax', message: `is not JSON: ${reason.replace(/[\s\p{Cc}]+/gu, ' ')}` };
  }
  const key = findBadKey(text);
  if (key === null) return { ok: true, value };
  const where = `line ${lineOf(text, key.offset)}`;
  const name = quoteBriefly(key.name);
  return key.name === '__proto__'
    ? {
        ok: false,
        problem: 'forbidden-key',
        message: `names the key ${name} at ${where}, which is not allowed`,
      }
    : { ok: false, problem: 'duplicate-key', message: `names the key ${name} twice, again at ${where}` };
}

/** A string for a sentence: quoted, cut where it gets long, everything escaped that steers a terminal or a reading direction. */
export function quoteBriefly(text: string, length = 60): string {
  const brief = text.length <= length ? text : `${text.slice(0, length - 1)}…`;
  return JSON.stringify(brief).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/** Offset of the first bracket beyond `maxDepth`, outside strings; also right for text that is not JSON. */
function findTooDeep(text: string, maxDepth: number): number | null {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) at = stringEnd(text, at);
    else if (unit === OPEN_BRACE || unit === OPEN_BRACKET) {
      depth++;
      if (depth > maxDepth) return at;
    } else if (unit === CLOSE_BRACE || unit === CLOSE_BRACKET) depth--;
  }
  return null;
}

/** First key that its object already has, or that would reach an object's prototype. `text` must be valid JSON. */
function findBadKey(text: string): { readonly name: string; readonly offset: number } | null {
  // One entry for each open container: the keys seen, or null for an array.
  const open: (Set<string> | null)[] = [];
  let expectKey = false;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case OPEN_BRACE:
        open.push(new Set());
        expectKey = true;
        break;
      case OPEN_BRACKET:
        open.push(null);
        expectKey = false;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        open.pop();
        expectKey = false;
        break;
      case COMMA:
        expectKey = open.at(-1) instanceof Set;
        break;
      case QUOTE: {
        const end = stringEnd(text, at);
        const keys = open.at(-1);
        if (expectKey && keys instanceof Set) {
          const literal = text.slice(at, end + 1);
          const name = literal.includes('\\') ? String(JSON.parse(literal)) : literal.slice(1, -1);
          if (name === '__proto__' || keys.has(name)) return { name, offset: at };
          keys.add(name);
          expectKey = false;
        }
        at = end;
        break;
      }
    }
  }
  return null;
}

/** Offset of the quote that ends the string which begins at `start`; the end of the text where there is none. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === BACKSLASH) at++;
    else if (unit === QUOTE) return at;
  }
  return text.length;
}

function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = 0; at < offset; at++) if (text.charCodeAt(at) === NEWLINE) line++;
  return line;
}

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
