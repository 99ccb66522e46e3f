import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  readHost,
  readInstanceSpec,
  readMigrationReport,
  readVmmState,
  writeHost,
  writeInstanceSpec,
  writeMigrationReport,
  writeVmmState,
} from '../src/index.js';
import { componentV1, instanceSpecV1 } from '../src/instance-spec/v1.js';
import { vmmLifeV1 } from '../src/vmm-state/v1.js';
import { asText, frozenDocuments, testdata } from './corpus.js';

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

  const kinds = [
    { folder: 'instance-spec/v1', read: readInstanceSpec, write: writeInstanceSpec },
    { folder: 'vmm-state/v1', read: readVmmState, write: writeVmmState },
    { folder: 'host/v1', read: readHost, write: writeHost },
    { folder: 'migration-report/v1', read: readMigrationReport, write: writeMigrationReport },
  ] as const;
  for (const { folder, read, write } of kinds) {
    for (const { file, text } of frozenDocuments(folder)) {
      it(`${file} is read, and written again without losing anything (R8)`, () => {
        const value = read(text);
        const written = asText(write(value as never));
        // A person's document leaves defaults out; everything else comes back to the byte.
        if (file.includes('defaults-left-out')) {
          expect(JSON.parse(written)).toMatchObject(JSON.parse(text));
          expect(written).not.toBe(text);
        } else expect(written).toBe(text);
        expect(read(written)).toEqual(value);
      });
    }
  }

  it('is not the limit: a report of ten thousand rounds is written and read', () => {
    const [{ text } = { text: '' }] = frozenDocuments('migration-report/v1');
    const report = readMigrationReport(text);
    const round = report.rounds[0] as (typeof report.rounds)[number];
    const long = {
      ...report,
      rounds: Array.from({ length: 10_000 }, (_, index) => ({ ...round, round: index })),
    };
    expect(readMigrationReport(asText(writeMigrationReport(long)))).toEqual(long);
    expect(readMigrationReport(writeMigrationReport(long))).toEqual(long);
  });

  it('covers every component kind, with each optional field both given and left out', () => {
    const components = frozenDocuments('instance-spec/v1').flatMap(({ text }) =>
      Object.values(JSON.parse(text).body.components ?? {}),
    ) as Record<string, unknown>[];
    for (const option of componentV1.options) {
      const [kind] = option.shape.kind.values;
      const found = components.filter((component) => component.kind === kind);
      expect(found.length, `documents with a ${kind}`).toBeGreaterThan(0);
      for (const [field, schema] of Object.entries(option.shape)) {
        expect(
          found.some((component) => field in component),
          `${kind} with ${field}`,
        ).toBe(true);
        if (schema.safeParse(undefined).success && kind !== 'nvme-disk') {
          expect(
            found.some((component) => !(field in component)),
            `${kind} without ${field}`,
          ).toBe(true);
        }
      }
    }
  });

  it('covers every field of a spec, given and, where that is allowed, left out', () => {
    const bodies = frozenDocuments('instance-spec/v1').map(({ text }) => JSON.parse(text).body);
    for (const [field, schema] of Object.entries(instanceSpecV1.shape)) {
      expect(
        bodies.some((body) => field in body),
        `with ${field}`,
      ).toBe(true);
      if (schema.safeParse(undefined).success) {
        expect(
          bodies.some((body) => !(field in body)),
          `without ${field}`,
        ).toBe(true);
      }
    }
    for (const boot of [
      { from: 'kernel', initrd: true },
      { from: 'kernel', initrd: false },
      { from: 'disks', initrd: false },
    ]) {
      const found = bodies.some(
        (body) => body.boot.from === boot.from && 'initrd' in body.boot === boot.initrd,
      );
      expect(found, JSON.stringify(boot)).toBe(true);
    }
  });

  it('covers every life of a VMM', () => {
    const lives = frozenDocuments('vmm-state/v1').map(({ text }) => JSON.parse(text).body.life);
    expect([...lives].sort()).toEqual([...vmmLifeV1.options].sort());
  });
});
