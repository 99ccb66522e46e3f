/** The journal on a disk that loses power between any two operations, and on one whose bytes change. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SimulatedDisk } from '../../../../tools/handover-simulation/simulated-disk.mjs';
import { OwnershipJournal } from '../../src/journal/ownership-journal.js';
import type { OwnershipEntry } from '../../src/journal/states.js';
import { keyOf, type Model, modelOf, walk } from './walk.js';

const HOST = randomUUID();
const DIRECTORY = '/state/journal';
const PATH = `${DIRECTORY}/ownership.log`;
/** Longer than any of these tests has operations. */
const NEVER = 1_000_000;

/** A disk whose power goes before or after its `at`th operation, as `seed` decides what is kept. */
function powered(seed: number) {
  let random = seed;
  const choose = (below: number) => {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    return (random >>> 8) % below;
  };
  let left = NEVER;
  let gone: () => void = () => {};
  const disk = new SimulatedDisk({
    choose,
    step: async () => {
      left -= 1;
      if (left >= 0) return;
      gone();
      await new Promise(() => {});
    },
  });
  disk.makeDirectory(DIRECTORY);
  return {
    disk,
    /** Runs `work` until it ends, the power goes, or its process is `killed`; true when it did not end. */
    async until(at: number, work: () => Promise<void>, killed = false): Promise<boolean> {
      left = at;
      const lost = new Promise<boolean>((resolve) => {
        gone = () => resolve(true);
      });
      const wasLost = await Promise.race([lost, work().then(() => false)]);
      left = NEVER;
      if (wasLost && !killed) disk.losePower();
      return wasLost;
    },
  };
}

async function open(disk: SimulatedDisk, compactBytes?: number) {
  return OwnershipJournal.open(PATH, {
    hostId: HOST,
    disk,
    ...(compactBytes === undefined ? {} : { compactBytes }),
  });
}

async function say(disk: SimulatedDisk, all: readonly OwnershipEntry[]): Promise<Model> {
  const journal = await open(disk);
  const found: Model = new Map();
  for (const { role, migrationId } of all) {
    const entry = journal.find(role, migrationId);
    if (entry) found.set(keyOf(role, migrationId), entry);
  }
  await journal.close();
  return found;
}

/** The bytes of a journal with these entries, without the zeros ahead. */
async function bytesOf(entries: readonly OwnershipEntry[]): Promise<Buffer> {
  const { disk } = powered(1);
  const journal = await open(disk);
  for (const entry of entries) await journal.write(entry);
  await journal.close();
  const { data } = disk.inode(PATH, 'test');
  return Buffer.from(data.subarray(0, data.lastIndexOf(10) + 1));
}

async function diskWith(bytes: Buffer): Promise<SimulatedDisk> {
  const { disk } = powered(1);
  const file = await disk.create(PATH);
  await file.write(bytes, 0);
  await file.sync();
  await disk.syncDirectory(DIRECTORY);
  return disk;
}

const choices = fc.array(fc.nat({ max: 10_000 }), { minLength: 1, maxLength: 12 });

describe('a journal whose disk loses power between any two operations', () => {
  it('says what was acknowledged, and of the step under way that it was taken or not (R4)', async () => {
    await fc.assert(
      fc.asyncProperty(choices, fc.nat(), async (picked, seed) => {
        const entries = walk(picked);
        for (let at = 0; ; at += 1) {
          const { disk, until } = powered(seed + at);
          let acknowledged = 0;
          const lost = await until(at, async () => {
            const journal = await open(disk);
            for (const entry of entries) {
              journal.wakeDisk();
              await journal.write(entry);
              acknowledged += 1;
            }
            await journal.close();
          });
          const said = await say(disk, entries);
          const possible = [acknowledged, acknowledged + 1].map((count) => modelOf(entries.slice(0, count)));
          expect(possible, `power lost at operation ${at}`).toContainEqual(said);
          if (!lost) break;
        }
      }),
      { numRuns: 15 },
    );
  });

  it('says after that what an agent read from it, although the one before was killed in a write (R4)', async () => {
    const entries = walk([0, 7, 14, 1]);
    let killed = true;
    for (let at = 0; killed; at += 1) {
      const { disk, until } = powered(at);
      const work = async () => {
        const journal = await open(disk);
        for (const entry of entries) {
          journal.wakeDisk();
          await journal.write(entry);
        }
        await journal.close();
      };
      killed = await until(at, work, true);
      const acted = await say(disk, entries);
      disk.losePower();
      expect(await say(disk, entries), `killed at operation ${at}`).toEqual(acted);
    }
  });

  it('says the same before, during and after a compaction, and leaves nothing beside it', async () => {
    const entries = walk([0, 7, 14, 1, 8, 15, 22, 2, 9, 16, 1, 8]);
    const bytes = await bytesOf(entries);
    let lost = true;
    let operations = 0;
    for (let at = 0; lost; at += 1) {
      operations = at;
      for (let seed = 0; seed < 8; seed += 1) {
        const { disk, until } = powered(seed * 1000 + at);
        const file = await disk.create(PATH);
        await file.write(bytes, 0);
        await file.sync();
        await disk.syncDirectory(DIRECTORY);
        lost = await until(at, async () => {
          const journal = await open(disk, 0);
          await journal.close();
        });
        expect(await say(disk, entries), `power lost at operation ${at}`).toEqual(modelOf(entries));
        expect(disk.namesIn(DIRECTORY)).toEqual(['ownership.log']);
      }
    }
    expect(operations).toBeGreaterThan(20);
  });

  it('takes no step once a write has failed, for nobody knows what is on the disk', async () => {
    const { disk } = powered(1);
    const journal = await open(disk);
    const entries = walk([0, 7, 14]);
    await journal.write(entries[0] as OwnershipEntry);
    // Through the room that was made ahead.
    const room = disk.inode(PATH, 'test');
    room.data = Buffer.from(room.data.subarray(0, room.data.lastIndexOf(10) + 20));
    disk.full = true;
    await expect(journal.write(entries[1] as OwnershipEntry)).rejects.toMatchObject({
      code: 'journal-write-failed',
    });
    disk.full = false;
    await expect(journal.write(entries[1] as OwnershipEntry)).rejects.toMatchObject({
      code: 'journal-write-failed',
    });
    await journal.close();
    expect(await say(disk, entries)).toEqual(modelOf(entries.slice(0, 1)));
  });

  it('opens on a full disk, and takes steps in the room that it has', async () => {
    const entries = walk([0, 7]);
    const disk = await diskWith(Buffer.concat([await bytesOf(entries.slice(0, 1)), Buffer.alloc(4096)]));
    disk.full = true;
    const journal = await open(disk);
    await journal.write(entries[1] as OwnershipEntry);
    await journal.close();
    expect(await say(disk, entries)).toEqual(modelOf(entries));
  });
});

describe('a journal whose bytes are not those that were written', () => {
  const entries = walk([0, 7, 1, 8, 15, 2, 9, 14]);
  /** With room ahead, as on a disk. */
  const withRoom = async (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(700)]);

  it('is refused, or says all that was written, with any one bit flipped', async () => {
    const bytes = await withRoom(await bytesOf(entries));
    const whole = modelOf(entries);
    for (let at = 0; at < bytes.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
        const said = await say(await diskWith(flipped), entries).catch((thrown: { code: string }) => {
          expect(thrown.code, `bit ${bit} of byte ${at}`).toBe('journal-damaged');
          return whole;
        });
        // Compared by hand: expect() for each of some twenty thousand would cost more than the journal.
        if (
          said.size !== whole.size ||
          [...whole].some(([key, { state }]) => said.get(key)?.state !== state)
        ) {
          expect(said, `bit ${bit} of byte ${at}`).toEqual(whole);
        }
      }
    }
  });

  it('is refused, or says what stood before the cut, when it ends at any byte or is zeros from there', async () => {
    const bytes = await bytesOf(entries);
    for (let length = 0; length < bytes.length; length += 1) {
      const kept = bytes.subarray(0, length);
      const lines = kept.filter((byte) => byte === 10).length;
      // Nothing of a header that is not whole can be believed; it was never written in place. The second line is the host's.
      const expected = lines === 0 ? 'journal-damaged' : modelOf(entries.slice(0, Math.max(0, lines - 2)));
      for (const zeros of [0, bytes.length - length]) {
        const disk = await diskWith(Buffer.concat([kept, Buffer.alloc(zeros)]));
        const said = await say(disk, entries).catch(({ code }: { code: string }) => code);
        expect(said, `${length} bytes and ${zeros} zeros`).toEqual(expected);
      }
    }
  });
});

describe('a journal that is not this host’s to read', () => {
  it('of another host is refused by the ids of both, in either version', async () => {
    const bytes = await bytesOf(walk([0, 7]));
    const other = randomUUID();
    for (const compactBytes of [undefined, 0]) {
      const disk = await diskWith(bytes);
      await (await open(disk, compactBytes)).close();
      await expect(OwnershipJournal.open(PATH, { hostId: other, disk })).rejects.toMatchObject({
        code: 'journal-of-another-host',
        message: expect.stringMatching(new RegExp(`${HOST}.*${other}`)),
      });
    }
  });

  it('of a newer release is refused by its version, whatever else that has put into it', async () => {
    const { encodeLine } = await import('../../src/journal/record.js');
    const header = { schema: 'drover.ownership-journal', version: 3, hosts: [HOST], firstSequence: 'x' };
    await expect(open(await diskWith(encodeLine(header)))).rejects.toMatchObject({
      code: 'journal-version-unknown',
      message: expect.stringMatching(/version 3 .* up to 2/),
    });
  });

  it('of release 0.1 is read, and bound to this host from then on', async () => {
    const { encodeLine, toDocument } = await import('../../src/journal/record.js');
    const entries = walk([0, 7]);
    const lines = entries.map((entry, index) => toDocument(entry, index + 1, new Date().toISOString()));
    const header = { schema: 'drover.ownership-journal', version: 1, firstSequence: 1 };
    const disk = await diskWith(Buffer.concat([header, ...lines].map(encodeLine)));
    expect(await say(disk, entries)).toEqual(modelOf(entries));
    await expect(OwnershipJournal.open(PATH, { hostId: randomUUID(), disk })).rejects.toMatchObject({
      code: 'journal-of-another-host',
    });
  });

  it('is missing where there are instances: nothing is begun in its place (R1)', async () => {
    const { disk } = powered(1);
    await expect(OwnershipJournal.open(PATH, { hostId: HOST, disk, mayBegin: false })).rejects.toMatchObject({
      code: 'journal-missing',
    });
    expect(disk.namesIn(DIRECTORY)).toEqual([]);
  });

  it('takes no step of the id that binds it: a peer cannot give it to another host (R6)', async () => {
    const { BINDING_INSTANCE } = await import('../../src/journal/record.js');
    const { disk } = powered(1);
    const journal = await open(disk);
    await expect(
      journal.write({
        role: 'destination',
        migrationId: randomUUID(),
        instanceId: BINDING_INSTANCE,
        state: 'aborted',
        epoch: 0n,
      }),
    ).rejects.toMatchObject({ code: 'journal-step-refused' });
    await journal.close();
  });
});
