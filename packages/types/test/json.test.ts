import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStrictJson } from '../src/document/json.js';
import { checkPlainJson } from '../src/document/plain.js';

const wide = { maxBytes: 1 << 20, maxDepth: 32 };

/** A JSON text as a tree whose objects may have a key twice. */
type Tree =
  | string
  | number
  | null
  | readonly Tree[]
  | { readonly members: readonly (readonly [string, Tree])[] };

const key = fc.oneof(
  fc.constantFrom('a', 'b', 'a"b', 'é', 'constructor', '\u0001'),
  fc.string({ maxLength: 3 }).filter((text) => text !== '__proto__'),
);
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.constantFrom('{"a":1', '}', '[', '\\"')),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.record({ members: fc.array(fc.tuple(key, tie('tree')), { maxLength: 4 }) }),
  ),
}));

function write(node: Tree): string {
  if (node === null || typeof node !== 'object') return JSON.stringify(node);
  if ('members' in node) {
    return `{ ${node.members.map(([name, value]) => `${JSON.stringify(name)} :${write(value)}`).join(',\n')} }`;
  }
  return `[${node.map(write).join(' , ')}]`;
}

/** The naive oracle: looks at the tree, not at the text. */
function hasDuplicate(node: Tree): boolean {
  if (node === null || typeof node !== 'object') return false;
  if (!('members' in node)) return node.some(hasDuplicate);
  const names = node.members.map(([name]) => name);
  return new Set(names).size < names.length || node.members.some(([, value]) => hasDuplicate(value));
}

function depthOf(node: Tree): number {
  if (node === null || typeof node !== 'object') return 0;
  const children = 'members' in node ? node.members.map(([, value]) => value) : node;
  return 1 + Math.max(0, ...children.map(depthOf));
}

describe('strict JSON', () => {
  it('reads what JSON.parse reads, and refuses a key that comes twice (R8)', () => {
    fc.assert(
      fc.property(tree, (node) => {
        const text = write(node);
        const result = parseStrictJson(text, wide);
        if (hasDuplicate(node)) expect(result).toMatchObject({ ok: false, problem: 'duplicate-key' });
        else expect(result).toEqual({ ok: true, value: JSON.parse(text) });
      }),
      { numRuns: 2_000 },
    );
  });

  it('accepts exactly the depth that it is told (R6)', () => {
    fc.assert(
      fc.property(tree, fc.integer({ min: 0, max: 5 }), (node, maxDepth) => {
        const result = parseStrictJson(write(node), { maxBytes: 1 << 20, maxDepth });
        if (depthOf(node) > maxDepth) expect(result).toMatchObject({ ok: false, problem: 'too-deep' });
        else expect(result.ok || result.problem !== 'too-deep').toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('agrees with JSON.parse about what is JSON at all, for any text', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"',
      '\\',
      '1',
      '-',
      'null',
      ' ',
      '"\\u0061"',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        const result = parseStrictJson(text, wide);
        expect(result.ok || result.problem !== 'syntax').toBe(valid);
      }),
      { numRuns: 5_000 },
    );
  });

  it('finds a key given twice in two spellings', () => {
    const result = parseStrictJson('{"a": 1,\n "\\u0061": 2}', wide);
    expect(result).toMatchObject({ ok: false, message: 'names the key "a" twice in document, line 2' });
  });

  it('refuses the key __proto__, which a reader would drop or obey', () => {
    expect(parseStrictJson('{"x":{"__proto__":{}}}', wide)).toMatchObject({
      ok: false,
      problem: 'forbidden-key',
    });
    expect(checkPlainJson(JSON.parse('{"x":{"__proto__":{}}}'), wide)).toMatchObject({
      problem: 'forbidden-key',
    });
  });

  it('refuses a text above the limit by its bytes, before it looks at it (R6)', () => {
    expect(parseStrictJson(`"${'é'.repeat(9)}"`, { maxBytes: 19, maxDepth: 1 })).toMatchObject({
      problem: 'too-large',
    });
    expect(parseStrictJson(`"${'é'.repeat(9)}"`, { maxBytes: 20, maxDepth: 1 })).toMatchObject({ ok: true });
    expect(parseStrictJson('['.repeat(2_000_000), wide)).toMatchObject({ problem: 'too-large' });
  });

  it('answers to a million brackets without a stack to overflow (R6)', () => {
    expect(parseStrictJson('['.repeat(1_000_000), wide)).toMatchObject({ problem: 'too-deep' });
    expect(parseStrictJson('{"a":'.repeat(200_000), wide)).toMatchObject({ problem: 'too-deep' });
  });
});

describe('a number in JSON', () => {
  const inexact = { ok: false, problem: 'inexact-number' };

  it('is read when the double that it becomes says the same again, for any double', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const result = parseStrictJson(JSON.stringify([number]), wide);
        if (Number.isInteger(number) && !Number.isSafeInteger(number)) expect(result).toMatchObject(inexact);
        // JSON has no minus zero to say again.
        else expect(result).toEqual({ ok: true, value: [number === 0 ? 0 : number] });
      }),
      { numRuns: 2_000 },
    );
  });

  it('is refused when reading it would change a digit, by exact arithmetic', () => {
    const digits = fc.stringMatching(/^[1-9][0-9]{0,24}$/);
    fc.assert(
      fc.property(digits, fc.integer({ min: -30, max: 5 }), (text, exponent) => {
        const spellings = [`${text}e${exponent}`, `-${text}E${exponent}`, `${text}0e${exponent - 1}`];
        const value = Number(`${text}e${exponent}`);
        // The naive oracle: both as whole numbers of a power of ten that divides them.
        const [, mantissa = '', fraction = '', power = '0'] =
          /^(\d+)\.?(\d*)e?(.*)$/.exec(String(value)) ?? [];
        const scale = (whole: bigint, shift: number) => whole * 10n ** BigInt(shift + 400);
        const kept = scale(BigInt(mantissa + fraction), Number(power) - fraction.length);
        const same = kept === scale(BigInt(text), exponent);
        const beyond = Number.isInteger(value) && !Number.isSafeInteger(value);
        for (const spelling of spellings) {
          expect(parseStrictJson(`{"a":${spelling}}`, wide).ok, spelling).toBe(same && !beyond);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    [
      '{"a":[1,{"b":9007199254740993}]}',
      'holds in document.a[1].b, line 1 the number 9007199254740993, beyond the limit of ±9007199254740991',
    ],
    ['[0,\n1e400]', 'holds in document[1], line 2 the number 1e400, beyond the limit of ±9007199254740991'],
    [
      '18446744073709551615',
      'holds in document, line 1 the number 18446744073709551615, beyond the limit of ±9007199254740991',
    ],
    [
      '0.1000000000000000055',
      'holds in document, line 1 the number 0.1000000000000000055, which would be rounded to 0.1',
    ],
    ['1e-400', 'holds in document, line 1 the number 1e-400, which would be rounded to 0'],
  ])('is named with its place and the limit: %s', (text, message) => {
    expect(parseStrictJson(text, wide)).toMatchObject({ ...inexact, message });
  });

  it.each([
    '0',
    '-0',
    '0.0e5',
    '9007199254740991',
    '-9007199254740991',
    '1.5e-7',
    '100e-2',
    '0.30000000000000004',
  ])('may be written as %s', (text) => {
    expect(parseStrictJson(text, wide)).toEqual({ ok: true, value: Number(text) });
  });

  it('inside a string or a key is nobody’s business', () => {
    const text = '{"9007199254740993":"9007199254740993"}';
    expect(parseStrictJson(text, wide)).toEqual({ ok: true, value: JSON.parse(text) });
  });
});

describe('bytes', () => {
  it('are read as the text that they are in UTF-8, and refused where they are none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
        const quoted = Buffer.concat([Buffer.from('"'), bytes, Buffer.from('"')]);
        const text = quoted.toString();
        const result = parseStrictJson(new Uint8Array(quoted), wide);
        if (Buffer.from(text).equals(quoted)) expect(result).toEqual(parseStrictJson(text, wide));
        else expect(result).toMatchObject({ ok: false, problem: 'not-utf8' });
      }),
      { numRuns: 1_000 },
    );
  });

  it('above the limit are refused before they are looked at (R6)', () => {
    expect(parseStrictJson(new Uint8Array(20), { maxBytes: 19, maxDepth: 1 })).toMatchObject({
      problem: 'too-large',
    });
  });
});

describe('a value that was parsed elsewhere', () => {
  it('is held to the same depth as a text', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 0, max: 6 }), (value, maxDepth) => {
        const asText = parseStrictJson(JSON.stringify(value), { maxBytes: 1 << 20, maxDepth });
        const asValue = checkPlainJson(value, { maxBytes: 1 << 20, maxDepth });
        expect(asValue.ok).toBe(asText.ok);
      }),
      { numRuns: 1_000 },
    );
  });

  it('may not hold what JSON cannot', () => {
    const inside: unknown[] = [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      1n,
      () => 1,
      Symbol('s'),
      new Date(),
      new Map(),
    ];
    for (const value of inside) {
      expect(checkPlainJson({ value }, wide)).toMatchObject({ ok: false, problem: 'syntax' });
    }
  });

  it('that contains itself is refused', () => {
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    expect(checkPlainJson(loop, wide)).toMatchObject({ ok: false, problem: 'too-deep' });
  });

  it('with a million elements is refused as too large', () => {
    expect(checkPlainJson(new Array(1_000_000).fill(0), wide)).toMatchObject({ problem: 'too-large' });
  });
});
