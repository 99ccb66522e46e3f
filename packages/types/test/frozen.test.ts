import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDocument, writeDocument, writeDocumentForStorage } from '../src/document/kind.js';
import { readMigrationReport, writeMigrationReport } from '../src/index.js';
import { vmmLifeV1 } from '../src/vmm-state/v1.js';
import { asText, frozenDocuments, testdata } from './corpus.js';
import { documentVersions } from './support/documents.js';
import { facetsIn, facetsOf } from './support/facets.js';

describe('the frozen corpus', () => {
  it('holds exactly the files that are listed, with the bytes they were frozen with', () => {
    const listed = readFileSync(join(testdata, 'FROZEN.sha256'), 'utf8').trimEnd().split('\n');
    const present = readdirSync(testdata, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => {
        const hash = createHash('sha256').update(readFileSync(join(testdata, name)));
        return `${hash.digest('hex')}  ${name}`;
      });
    expect(present).toEqual(listed);
  });

  for (const { folder, version, schema, kind } of documentVersions) {
    const documents = frozenDocuments(`${folder}/v${version}`);

    for (const { file, text } of documents) {
      it(`${file} is read, and written again in its version without losing anything (R8)`, () => {
        const value = readDocument(kind, text);
        const written = asText(writeDocument(kind, value, [version]));
        // A person's document leaves defaults out; everything else comes back to the byte.
        if (file.includes('defaults-left-out')) {
          expect(JSON.parse(written)).toMatchObject(JSON.parse(text));
          expect(written).not.toBe(text);
        } else expect(written).toBe(text);
        expect(readDocument(kind, written)).toEqual(value);
        expect(readDocument(kind, Buffer.from(text))).toEqual(value);
      });

      it(`${file} means the same in every version that can say it (R8)`, () => {
        const value = readDocument(kind, text);
        for (const other of kind.versions.numbers) {
          if (kind.versions.down(other, value).losses.length > 0) expect(other).toBeLessThan(version);
          else expect(readDocument(kind, writeDocument(kind, value, [other]))).toEqual(value);
        }
        expect(writeDocumentForStorage(kind, value).version).toBeLessThanOrEqual(version);
      });
    }

    it(`of ${folder} ${version} says everything that there is to say in it`, () => {
      const said = documents.map(({ text }) => facetsIn(schema, JSON.parse(text).body));
      const silent = [...facetsOf(schema)].filter((facet) => !said.some((facets) => facets.has(facet)));
      // A host's own manifest always names it; the rules of the document say so.
      expect(silent).toEqual(folder === 'host' && version > 1 ? ['.compatibility.host null'] : []);
    });
  }

  it.each([1, 2, 3])('has twelve documents at least of instance spec %i', (version) => {
    expect(frozenDocuments(`instance-spec/v${version}`).length).toBeGreaterThanOrEqual(12);
  });

  it('is not the limit: a report of ten thousand rounds is written and read', () => {
    const report = readMigrationReport(
      readFileSync(join(testdata, 'migration-report/v2/two-rounds.json'), 'utf8'),
    );
    const round = report.rounds[0] as (typeof report.rounds)[number];
    const long = {
      ...report,
      rounds: Array.from({ length: 10_000 }, (_, index) => ({ ...round, round: index })),
    };
    expect(readMigrationReport(asText(writeMigrationReport(long)))).toEqual(long);
    expect(readMigrationReport(writeMigrationReport(long))).toEqual(long);
  });

  it.each([1, 2])('covers every life of a VMM in VMM state %i', (version) => {
    const lives = frozenDocuments(`vmm-state/v${version}`).map(({ text }) => JSON.parse(text).body.life);
    expect([...new Set(lives)].sort()).toEqual([...vmmLifeV1.options].sort());
  });
});
