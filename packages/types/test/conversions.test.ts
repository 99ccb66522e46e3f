import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  missingFeatures,
  readDocument,
  writeDocument,
  writeDocumentForStorage,
} from '../src/document/kind.js';
import { sameJson } from '../src/document/same-json.js';
import { randomDocuments } from './support/arbitraries.js';
import { folders, kindOf } from './support/documents.js';

const RUNS = 300;

describe.each(randomDocuments)('any $folder of version $version', ({ version, kind, body }) => {
  it('goes up to the newest version and down again to itself (R8)', () => {
    fc.assert(
      fc.property(body, (original) => {
        const value = kind.versions.up(version, original);
        expect(kind.versions.down(version, value)).toEqual({ value: original, losses: [] });
      }),
      { numRuns: RUNS },
    );
  });

  it('is written and read as what it was, in every version that can say it', () => {
    fc.assert(
      fc.property(body, (original) => {
        const value = readDocument(kind, { schema: kind.schema, version, body: original });
        for (const other of kind.versions.numbers.filter((number) => number >= version)) {
          const text = JSON.stringify(writeDocument(kind, value, [other]));
          expect(readDocument(kind, text)).toEqual(value);
        }
      }),
      { numRuns: RUNS / 3 },
    );
  });

  it('is stored in the oldest version from which it comes back (R8)', () => {
    fc.assert(
      fc.property(body, (original) => {
        const value = kind.versions.up(version, original);
        // The naive oracle: go down whatever is lost, come up, and look whether it is the same.
        const oldest = kind.versions.numbers.find((number) => {
          const down = kind.versions.down(number, value).value;
          return sameJson(kind.versions.up(number, down), value);
        });
        expect(writeDocumentForStorage(kind, value).version).toBe(oldest);
      }),
      { numRuns: RUNS },
    );
  });

  it('goes to a reader in the newest version that the reader has, or is refused with every feature in the way (R7, R8)', () => {
    fc.assert(
      fc.property(body, fc.uniqueArray(fc.integer({ min: 1, max: 5 })), (original, accepted) => {
        const value = kind.versions.up(version, original);
        const missing = missingFeatures(kind, value, accepted);
        const common = kind.versions.numbers.filter((number) => accepted.includes(number));
        if (common.length === 0) {
          expect(missing).toBeNull();
          expect(() => writeDocument(kind, value, accepted)).toThrow(
            expect.objectContaining({ code: kind.versionCode }),
          );
        } else if (missing?.length === 0) {
          expect(writeDocument(kind, value, accepted).version).toBe(Math.max(...common));
        } else {
          const features = missing?.map(({ feature, needs }) => `${feature} needs .* ${needs}`) ?? [];
          expect(features.length).toBeGreaterThan(0);
          const sentence = expect.stringMatching(features.map(escapeFeature).join('.*'));
          expect(() => writeDocument(kind, value, accepted)).toThrow(
            expect.objectContaining({ code: kind.lossCode, message: sentence }),
          );
          for (const { needs } of missing ?? []) expect(needs).toBeGreaterThan(Math.max(...common));
        }
      }),
      { numRuns: RUNS },
    );
  });
});

describe('a conversion down', () => {
  it.each(folders)('of %s says a loss exactly where the value does not come back (R8)', (folder) => {
    const kind = kindOf(folder);
    const newest = randomDocuments.filter((each) => each.folder === folder).at(-1);
    if (newest === undefined) throw new Error('no version');
    fc.assert(
      fc.property(newest.body, (value) => {
        for (const version of kind.versions.numbers) {
          const { value: down, losses } = kind.versions.down(version, value);
          expect(losses.length === 0).toBe(sameJson(kind.versions.up(version, down), value));
          for (const { path } of losses) expect(at(value, path)).toBeDefined();
        }
      }),
      { numRuns: RUNS },
    );
  });
});

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((part: unknown, key) => Reflect.get(Object(part), key), value);
}

function escapeFeature(feature: string): string {
  return feature.replaceAll(/[()[\]]/g, '\\$&');
}
