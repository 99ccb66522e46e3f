import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDocument, writeDocument } from '../src/document/kind.js';
import { DroverError, typesErrors } from '../src/index.js';
import { frozenDocuments } from './corpus.js';
import { documentVersions } from './support/documents.js';

/** Of one way to damage the documents of one version; ten versions and three ways make 15,000. */
const RUNS = 500;

const odd = fc.constantFrom<unknown>(
  null,
  true,
  -1,
  0,
  1.5,
  2 ** 53,
  1e308,
  '',
  'x',
  '/',
  '\u0000',
  '99999999999999999999',
  'x'.repeat(70_000),
  [],
  {},
  [[]],
  { kind: 'x' },
  { kind: 'vsock', cid: 3 },
);

/** Replaces, removes, doubles or adds somewhere in the document, at a place that `steps` leads to. */
function mutate(node: unknown, steps: readonly number[], value: unknown): unknown {
  const [step = 0, ...rest] = steps;
  if (typeof node !== 'object' || node === null || steps.length === 0) return value;
  if (Array.isArray(node)) {
    const copy = [...node];
    const index = step % (copy.length + 1);
    copy[index] = mutate(copy[index], rest, value);
    return copy;
  }
  const copy: Record<string, unknown> = { ...(node as Record<string, unknown>) };
  const keys = [...Object.keys(copy), 'added', 'constructor'];
  const key = keys[step % keys.length] ?? 'added';
  if (rest.length === 0 && step % 5 === 0) delete copy[key];
  else copy[key] = mutate(copy[key], rest, value);
  return copy;
}

/** Ways to spoil a text that leave most of it as it was. */
const spoilers: readonly ((text: string, at: number) => string)[] = [
  (text, at) => text.slice(0, at),
  (text, at) => text.slice(0, at) + text.slice(at + 1),
  (text, at) => `${text.slice(0, at)}${'['.repeat(40)}${text.slice(at)}`,
  (text, at) => `${text.slice(0, at)}${'{"a":'.repeat(40)}1${'}'.repeat(40)}${text.slice(at)}`,
  (text, at) => `${text.slice(0, at)}${' '.repeat(9 << 20)}${text.slice(at)}`,
  // The key at or after the place once more, behind itself.
  (text, at) => text.slice(0, at) + text.slice(at).replace(/("[a-zA-Z]+": )(.)/, '$1null, $1$2'),
  (text, at) => text.slice(0, at) + text.slice(at).replace(/: (\d+|")/, ': 18446744073709551616$1'),
  (text, at) => text.slice(0, at) + text.slice(at).replace(/: (\d+|")/, ': -$1'),
  (text, at) => text.slice(0, at) + text.slice(at).replace(/: ./, ': "\ud800'),
];

/** Reads, and holds every refusal to what a refusal must be. */
function readOrRefuse(read: () => unknown): unknown {
  try {
    return read();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(DroverError);
    const { code, message } = thrown as DroverError;
    expect(Object.keys(typesErrors.definitions)).toContain(code);
    expect(message).toMatch(/^.+\.$/);
    expect(message).not.toMatch(/\p{Cc}/u);
    expect(message.length).toBeLessThan(1_000);
    return undefined;
  }
}

describe('a damaged document', () => {
  for (const { folder, version, kind } of documentVersions) {
    const original = fc.constantFrom(...frozenDocuments(`${folder}/v${version}`).map(({ text }) => text));

    it(`of ${folder} ${version} with other values in it is read or refused in one sentence (R6)`, () => {
      const places = fc.array(fc.nat(40), { minLength: 1, maxLength: 5 });
      fc.assert(
        fc.property(original, places, odd, (text, steps, value) => {
          const mutated = mutate(JSON.parse(text), steps, value);
          const result = readOrRefuse(() => readDocument(kind, mutated));
          if (result === undefined) return;
          // What was accepted lost nothing, but for keys beside the envelope's (R8).
          const { body } = mutated as { body: object };
          expect(writeDocument(kind, result, [Reflect.get(Object(mutated), 'version')]).body).toMatchObject(
            body,
          );
        }),
        { numRuns: RUNS },
      );
    });

    it(`of ${folder} ${version} with other bytes in it is read or refused in one sentence (R6)`, () => {
      const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
      fc.assert(
        fc.property(original, edits, fc.nat(), (text, changes, cut) => {
          const bytes = Buffer.from(text);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          const end = cut % 3 === 0 ? cut % bytes.length : undefined;
          readOrRefuse(() => readDocument(kind, bytes.subarray(0, end)));
        }),
        { numRuns: RUNS },
      );
    });

    it(`of ${folder} ${version} with its text spoiled is read or refused in one sentence (R6)`, () => {
      fc.assert(
        fc.property(original, fc.nat(), fc.constantFrom(...spoilers), (text, at, spoil) => {
          readOrRefuse(() => readDocument(kind, spoil(text, at % text.length)));
        }),
        { numRuns: RUNS },
      );
    });
  }
});
