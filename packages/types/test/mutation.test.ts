import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DroverError,
  readHost,
  readInstanceSpec,
  readMigrationReport,
  readVmmState,
  typesErrors,
  writeInstanceSpec,
} from '../src/index.js';
import { frozenDocuments } from './corpus.js';

const readers = [
  { folder: 'instance-spec/v1', read: readInstanceSpec },
  { folder: 'vmm-state/v1', read: readVmmState },
  { folder: 'host/v1', read: readHost },
  { folder: 'migration-report/v1', read: readMigrationReport },
] as const;

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
  [],
  {},
  [[]],
  { kind: 'x' },
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

/** Reads, and holds every refusal to what a refusal must be. */
function readOrRefuse(read: (document: unknown) => unknown, document: unknown): unknown {
  try {
    return read(document);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(DroverError);
    const { code, message } = thrown as DroverError;
    expect(Object.keys(typesErrors.definitions)).toContain(code);
    expect(message).toMatch(/^.+\.$/);
    expect(message).not.toMatch(/\p{Cc}/u);
    return undefined;
  }
}

describe('a damaged document', () => {
  for (const { folder, read } of readers) {
    const originals = frozenDocuments(folder).map(({ text }) => text);

    it(`of ${folder} with other values in it is read or refused in one sentence (R6)`, () => {
      const places = fc.array(fc.nat(40), { minLength: 1, maxLength: 5 });
      fc.assert(
        fc.property(fc.constantFrom(...originals), places, odd, (text, steps, value) => {
          const mutated = mutate(JSON.parse(text), steps, value);
          const result = readOrRefuse(read, mutated);
          if (folder === 'instance-spec/v1' && result !== undefined) {
            // What was accepted lost nothing (R8).
            const written = writeInstanceSpec(result as ReturnType<typeof readInstanceSpec>);
            expect(written).toMatchObject(mutated as object);
          }
        }),
        { numRuns: 1_500 },
      );
    });

    it(`of ${folder} with other bytes in it is read or refused in one sentence (R6)`, () => {
      const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
      fc.assert(
        fc.property(fc.constantFrom(...originals), edits, fc.nat(), (text, changes, cut) => {
          const bytes = Buffer.from(text);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          readOrRefuse(read, bytes.subarray(0, cut % 3 === 0 ? cut % bytes.length : undefined).toString());
        }),
        { numRuns: 1_500 },
      );
    });
  }
});
