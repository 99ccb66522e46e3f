import { randomUUID } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OwnershipJournal } from '../../src/journal/ownership-journal.js';
import type { OwnershipEntry } from '../../src/journal/states.js';
import { temporaryDirectory } from '../support/directory.js';
import { keyOf, type Model, modelOf, walk } from './walk.js';

const HOST = randomUUID();

async function written(path: string, entries: readonly OwnershipEntry[]): Promise<void> {
  const journal = await OwnershipJournal.open(path, { hostId: HOST });
  for (const entry of entries) await journal.write(entry);
  await journal.close();
}

async function read(path: string, all: readonly OwnershipEntry[]): Promise<Model> {
  const journal = await OwnershipJournal.open(path, { hostId: HOST });
  try {
    const found: Model = new Map();
    for (const { role, migrationId } of all) {
      const entry = journal.find(role, migrationId);
      if (entry) found.set(keyOf(role, migrationId), entry);
    }
    return found;
  } finally {
    await journal.close();
  }
}

/** Offsets at which a line ends, the header's first. */
function lineEnds(bytes: Buffer): number[] {
  const ends: number[] = [];
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) ends.push(at + 1);
  return ends;
}

const choices = fc.array(fc.nat({ max: 10_000 }), { minLength: 1, maxLength: 12 });

describe('the ownership journal', () => {
  it('says after a restart exactly what was written (R4)', async () => {
    await fc.assert(
      fc.asyncProperty(choices, async (picked) => {
        const path = join(temporaryDirectory(), 'ownership.log');
        const entries = walk(picked);
        await written(path, entries);
        expect(await read(path, entries)).toEqual(modelOf(entries));
      }),
      { numRuns: 30 },
    );
  });

  it('is byte for byte the same where its disk was woken before each step (R4)', async () => {
    const [woken, plain] = [temporaryDirectory(), temporaryDirectory()].map((at) =>
      join(at, 'ownership.log'),
    );
    if (!woken || !plain) return expect.unreachable();
    const entries = walk([0, 7, 14, 3]);
    const journal = await OwnershipJournal.open(woken, { hostId: HOST });
    for (const entry of entries) {
      journal.wakeDisk();
      await journal.write(entry);
      journal.wakeDisk();
    }
    await journal.close();
    await written(plain, entries);
    const without = (path: string) => readFileSync(path, 'latin1').replace(/"at":"[^"]+"|^[0-9a-f]{8}/gm, '');
    expect(without(woken)).toBe(without(plain));
    expect(await read(woken, entries)).toEqual(modelOf(entries));
  });

  it('goes on after a torn tail as if the torn write had never been asked for', async () => {
    const path = join(temporaryDirectory(), 'ownership.log');
    const entries = walk([0, 7, 14]);
    await written(path, entries);
    const end = lineEnds(readFileSync(path)).at(-1) ?? 0;
    truncateSync(path, end - 5);
    const journal = await OwnershipJournal.open(path, { hostId: HOST });
    expect(journal.wasTorn).toBe(true);
    await journal.write(entries.at(-1) as OwnershipEntry);
    await journal.close();
    expect(await read(path, entries)).toEqual(modelOf(entries));
  });

  it('refuses, rather than forgets, an entry whose bytes changed on the disk', async () => {
    const path = join(temporaryDirectory(), 'ownership.log');
    const entries = walk([0, 7, 1, 8, 15]);
    await written(path, entries);
    const bytes = readFileSync(path);
    const ends = lineEnds(bytes);
    const lastLine = ends.at(-2) ?? 0;
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: lastLine - 1 }), fc.integer({ min: 0, max: 7 }), async (at, bit) => {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        writeFileSync(path, damaged);
        await expect(OwnershipJournal.open(path, { hostId: HOST })).rejects.toMatchObject({
          code: 'journal-damaged',
        });
      }),
      { numRuns: 200 },
    );
  });

  it('refuses a last line that is complete and does not hold', async () => {
    const path = join(temporaryDirectory(), 'ownership.log');
    await written(path, walk([0, 7]));
    const bytes = readFileSync(path);
    const end = lineEnds(bytes).at(-1) ?? 0;
    bytes[end - 20] = 0x78;
    writeFileSync(path, bytes);
    await expect(OwnershipJournal.open(path, { hostId: HOST })).rejects.toMatchObject({
      code: 'journal-damaged',
    });
  });

  it('refuses a file from which an entry in the middle is missing', async () => {
    const path = join(temporaryDirectory(), 'ownership.log');
    await written(path, walk([0, 7, 1, 8]));
    const bytes = readFileSync(path);
    const [, from = 0, to = 0] = lineEnds(bytes);
    writeFileSync(path, Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]));
    await expect(OwnershipJournal.open(path, { hostId: HOST })).rejects.toMatchObject({
      code: 'journal-damaged',
      message: expect.stringContaining('is missing'),
    });
  });

  it('lets only one of a COMMIT and an ABORT that arrive together through (R1)', async () => {
    const path = join(temporaryDirectory(), 'ownership.log');
    const journal = await OwnershipJournal.open(path, { hostId: HOST });
    const base = {
      role: 'destination',
      migrationId: randomUUID(),
      instanceId: randomUUID(),
      epoch: 2n,
    } as const;
    await journal.write({ ...base, state: 'preparing' });
    await journal.write({ ...base, state: 'ready' });
    const both = await Promise.allSettled([
      journal.write({ ...base, state: 'owned' }),
      journal.write({ ...base, state: 'aborted' }),
    ]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(journal.find('destination', base.migrationId)?.state).toBe('owned');
    await journal.close();
  });

  it('writes nothing for a step that it refuses', async () => {
    const path = join(temporaryDirectory(), 'ownership.log');
    const journal = await OwnershipJournal.open(path, { hostId: HOST });
    const before = readFileSync(path);
    const wanted = {
      role: 'source',
      migrationId: randomUUID(),
      instanceId: randomUUID(),
      epoch: 2n,
    } as const;
    await expect(journal.write({ ...wanted, state: 'relinquished' })).rejects.toMatchObject({
      code: 'journal-step-refused',
    });
    await journal.close();
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('says the same after it was compacted, and counts on from there', async () => {
    const path = join(temporaryDirectory(), 'ownership.log');
    const entries = walk([0, 7, 14, 1, 8, 15, 22, 2, 9, 16]);
    await written(path, entries);
    const before = lineEnds(readFileSync(path)).length;
    const compacted = await OwnershipJournal.open(path, { hostId: HOST, compactBytes: 0 });
    await compacted.close();
    expect(lineEnds(readFileSync(path)).length).toBeLessThan(before);
    expect(await read(path, entries)).toEqual(modelOf(entries));
    const next: OwnershipEntry = {
      role: 'source',
      migrationId: randomUUID(),
      instanceId: randomUUID(),
      state: 'owned',
      epoch: 1n,
    };
    await written(path, [next]);
    expect(await read(path, [...entries, next])).toEqual(modelOf([...entries, next]));
  });

  it('lists what still asks something of the host', async () => {
    const path = join(temporaryDirectory(), 'ownership.log');
    const journal = await OwnershipJournal.open(path, { hostId: HOST });
    const base = { migrationId: randomUUID(), instanceId: randomUUID() };
    await journal.write({ ...base, role: 'source', state: 'owned', epoch: 1n });
    await journal.write({ ...base, role: 'source', state: 'relinquished', epoch: 2n });
    expect(journal.unfinished().map(({ state }) => state)).toEqual(['relinquished']);
    expect(journal.knownEpoch(base.instanceId)).toBe(2n);
    await journal.write({ ...base, role: 'source', state: 'done', epoch: 2n });
    expect(journal.unfinished()).toEqual([]);
    await journal.close();
  });
});
