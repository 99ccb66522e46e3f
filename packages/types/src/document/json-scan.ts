/** What `JSON.parse` takes without a word and a reader must not: found in the text, where the value no longer shows it. */
import { describeInexact } from './json-number.js';
import { quoteBriefly } from './quote.js';

/** A part of a text that may not be there. */
export interface BadPart {
  readonly problem: 'duplicate-key' | 'forbidden-key' | 'inexact-number';
  /** What it is, for a sentence: `the key "a"`. */
  readonly what: string;
  readonly path: readonly PropertyKey[];
  readonly offset: number;
}

/** Offset of the first bracket beyond `maxDepth`, outside strings; also right for text that is not JSON. */
export function findTooDeep(text: string, maxDepth: number): number | null {
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

/**
 * The first key that its object already has or that would reach an object's prototype, or the first number that a double cannot
 * hold. `text` must be valid JSON.
 */
export function findBadPart(text: string): BadPart | null {
  const open: Container[] = [];
  let expectKey = false;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    switch (unit) {
      case OPEN_BRACE:
        open.push({ keys: new Set(), at: '' });
        expectKey = true;
        break;
      case OPEN_BRACKET:
        open.push({ keys: null, at: 0 });
        expectKey = false;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        open.pop();
        expectKey = false;
        break;
      case COMMA: {
        const container = open.at(-1);
        expectKey = container?.keys instanceof Set;
        if (typeof container?.at === 'number') container.at++;
        break;
      }
      case QUOTE: {
        const end = stringEnd(text, at);
        const container = open.at(-1);
        if (expectKey && container?.keys instanceof Set) {
          const literal = text.slice(at, end + 1);
          const name = literal.includes('\\') ? String(JSON.parse(literal)) : literal.slice(1, -1);
          const problem = badKey(container.keys, name);
          // The path is the object's: the key itself is in the words.
          if (problem !== null) {
            const path = pathOf(open.slice(0, -1));
            return { problem, what: `the key ${quoteBriefly(name)}`, path, offset: at };
          }
          container.keys.add(name);
          container.at = name;
          expectKey = false;
        }
        at = end;
        break;
      }
      default:
        if (unit === MINUS || (unit >= ZERO && unit <= NINE)) {
          const end = numberEnd(text, at);
          const what = describeInexact(text.slice(at, end));
          if (what !== null) return { problem: 'inexact-number', what, path: pathOf(open), offset: at };
          at = end - 1;
        }
    }
  }
  return null;
}

/** The line of an offset, from 1. */
export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = 0; at < offset; at++) if (text.charCodeAt(at) === NEWLINE) line++;
  return line;
}

/** An object or array that is not yet closed. */
interface Container {
  /** The keys seen; null for an array. */
  readonly keys: Set<string> | null;
  /** Key or index of the part being read. */
  at: string | number;
}

function pathOf(open: readonly Container[]): readonly PropertyKey[] {
  return open.map(({ at }) => at);
}

function badKey(seen: ReadonlySet<string>, name: string): 'duplicate-key' | 'forbidden-key' | null {
  if (name === '__proto__') return 'forbidden-key';
  return seen.has(name) ? 'duplicate-key' : null;
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

/** Offset after the number that begins at `start`. */
function numberEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && NUMBER_UNITS.includes(text.charAt(at))) at++;
  return at;
}

const NUMBER_UNITS = '0123456789+-.eE';
const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
