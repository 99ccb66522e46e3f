import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kernelKind } from '../src/qemu/kernel-image.js';
import { temporaryDirectory } from './support/temporary.js';

const NOTE_AT = 128;

function note(owner: string, type: number, description: Buffer): Buffer {
  const pad = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  const head = Buffer.alloc(12);
  const name = Buffer.from(`${owner}\0`);
  head.writeUInt32LE(name.length, 0);
  head.writeUInt32LE(description.length, 4);
  head.writeUInt32LE(type, 8);
  return Buffer.concat([head, pad(name), pad(description)]);
}

/** An ELF with one PT_NOTE segment, and whatever text follows. */
function elf(bits: 32 | 64, notes: Buffer, text = ''): Buffer {
  const head = Buffer.alloc(NOTE_AT);
  head.write('\x7fELF', 0, 'latin1');
  head[4] = bits === 64 ? 2 : 1;
  head[5] = 1;
  if (bits === 64) {
    head.writeBigUInt64LE(64n, 32);
    head.writeUInt16LE(56, 54);
    head.writeUInt16LE(1, 56);
    head.writeUInt32LE(4, 64);
    head.writeBigUInt64LE(BigInt(NOTE_AT), 72);
    head.writeBigUInt64LE(BigInt(notes.length), 96);
  } else {
    head.writeUInt32LE(52, 28);
    head.writeUInt16LE(32, 42);
    head.writeUInt16LE(1, 44);
    head.writeUInt32LE(4, 52);
    head.writeUInt32LE(NOTE_AT, 56);
    head.writeUInt32LE(notes.length, 68);
  }
  return Buffer.concat([head, notes, Buffer.from(text)]);
}

const pvh = note('Xen', 18, Buffer.alloc(4));

async function kindOf(bytes: Buffer, directory = temporaryDirectory()): Promise<string> {
  const path = `${directory}/kernel`;
  writeFileSync(path, bytes);
  return kernelKind(path);
}

describe('the kind of a kernel file', () => {
  it.each([32, 64] as const)('is a flat PVH guest by its note, in ELF%d', async (bits) => {
    expect(await kindOf(elf(bits, pvh))).toBe('pvh-flat');
    expect(await kindOf(elf(bits, Buffer.concat([note('GNU', 3, Buffer.alloc(20)), pvh])))).toBe('pvh-flat');
    expect(await kindOf(elf(bits, note('GNU', 3, Buffer.alloc(20))))).toBe('other');
  });

  it('is Linux by its own note, its guest-OS note or its banner', async () => {
    expect(await kindOf(elf(64, Buffer.concat([pvh, note('Linux', 0x101, Buffer.alloc(4))])))).toBe('linux');
    expect(await kindOf(elf(64, Buffer.concat([pvh, note('Xen', 6, Buffer.from('linux\0'))])))).toBe('linux');
    expect(await kindOf(elf(64, pvh, `${'x'.repeat(1024 * 1024 - 140)}Linux version 6.1`))).toBe('linux');
  });

  it('is other for everything else', async () => {
    expect(await kindOf(Buffer.alloc(0))).toBe('other');
    expect(await kindOf(Buffer.from('MZ bzImage'))).toBe('other');
    expect(await kindOf(Buffer.alloc(1000, 0xff))).toBe('other');
  });

  it('is found without a crash or a large read, whatever a file says of itself (R6)', async () => {
    const directory = temporaryDirectory();
    const good = elf(64, pvh);
    const mutation = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(
        fc.array(mutation, { minLength: 1, maxLength: 8 }),
        fc.nat(good.length),
        async (changes, cut) => {
          const bytes = Buffer.from(good);
          for (const [at, value] of changes) bytes[at] = value;
          const kind = await kindOf(bytes.subarray(0, bytes.length - (cut % 60)), directory);
          expect(['pvh-flat', 'linux', 'other']).toContain(kind);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
