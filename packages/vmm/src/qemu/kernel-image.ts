/**
 * What a kernel file is, as far as the choice of the accelerator needs it. The file is not trusted: every length in it is
 * checked, and a file that makes no sense is `other`.
 */
import { type FileHandle, open } from 'node:fs/promises';

/**
 * `pvh-flat`: an ELF with a PVH entry note that is not Linux: a small flat guest. `linux`: an ELF that is Linux.
 * `other`: everything else, a bzImage included.
 */
export type KernelKind = 'pvh-flat' | 'linux' | 'other';

/** XEN_ELFNOTE_GUEST_OS and XEN_ELFNOTE_PHYS32_ENTRY of Xen's public/elfnote.h. */
const NOTE_GUEST_OS = 6;
const NOTE_PHYS32_ENTRY = 18;
const PT_NOTE = 4;
const MAX_PROGRAM_HEADERS = 64;
const MAX_NOTE_BYTES = 64 * 1024;
const MAX_SCANNED_BYTES = 64 * 1024 * 1024;
const LINUX_BANNER = Buffer.from('Linux version ');

interface Note {
  readonly owner: string;
  readonly type: number;
  readonly description: Buffer;
}

export async function kernelKind(path: string): Promise<KernelKind> {
  const file = await open(path, 'r');
  try {
    const notes = await readNotes(file);
    if (notes === null) return 'other';
    const isLinux = notes.some(
      (note) =>
        note.owner === 'Linux' ||
        (note.owner === 'Xen' &&
          note.type === NOTE_GUEST_OS &&
          note.description.toString().startsWith('linux')),
    );
    if (isLinux || (await holdsLinuxBanner(file))) return 'linux';
    return notes.some((note) => note.owner === 'Xen' && note.type === NOTE_PHYS32_ENTRY)
      ? 'pvh-flat'
      : 'other';
  } finally {
    await file.close();
  }
}

/** The notes of all PT_NOTE segments; null when the file is no little-endian ELF. */
async function readNotes(file: FileHandle): Promise<Note[] | null> {
  const header = await readAt(file, 0, 64);
  if (header.length < 52 || header.readUInt32BE(0) !== 0x7f454c46 || header[5] !== 1) return null;
  const is64 = header[4] === 2;
  if (is64 && header.length < 64) return null;
  const tableAt = is64 ? Number(header.readBigUInt64LE(32)) : header.readUInt32LE(28);
  const entryBytes = header.readUInt16LE(is64 ? 54 : 42);
  const entries = Math.min(header.readUInt16LE(is64 ? 56 : 44), MAX_PROGRAM_HEADERS);
  if (entryBytes < (is64 ? 56 : 32)) return null;
  const table = await readAt(file, tableAt, entryBytes * entries);
  const notes: Note[] = [];
  for (let at = 0; at + entryBytes <= table.length; at += entryBytes) {
    if (table.readUInt32LE(at) !== PT_NOTE) continue;
    const offset = is64 ? Number(table.readBigUInt64LE(at + 8)) : table.readUInt32LE(at + 4);
    const bytes = is64 ? Number(table.readBigUInt64LE(at + 32)) : table.readUInt32LE(at + 16);
    notes.push(...parseNotes(await readAt(file, offset, Math.min(bytes, MAX_NOTE_BYTES))));
  }
  return notes;
}

function parseNotes(bytes: Buffer): Note[] {
  const notes: Note[] = [];
  for (let at = 0; at + 12 <= bytes.length; ) {
    const ownerBytes = bytes.readUInt32LE(at);
    const descriptionBytes = bytes.readUInt32LE(at + 4);
    const descriptionAt = at + 12 + roundUp4(ownerBytes);
    const end = descriptionAt + descriptionBytes;
    if (end > bytes.length) break;
    notes.push({
      owner: bytes.toString('latin1', at + 12, at + 12 + Math.max(0, ownerBytes - 1)),
      type: bytes.readUInt32LE(at + 8),
      description: bytes.subarray(descriptionAt, end),
    });
    at = roundUp4(end);
  }
  return notes;
}

/** An uncompressed Linux carries its banner as plain text. */
async function holdsLinuxBanner(file: FileHandle): Promise<boolean> {
  const step = 1024 * 1024;
  for (let at = 0; at < MAX_SCANNED_BYTES; at += step) {
    const part = await readAt(file, at, step + LINUX_BANNER.length - 1);
    if (part.includes(LINUX_BANNER)) return true;
    if (part.length < step) return false;
  }
  return false;
}

async function readAt(file: FileHandle, position: number, bytes: number): Promise<Buffer> {
  if (!Number.isSafeInteger(position)) return Buffer.alloc(0);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, position);
  return buffer.subarray(0, bytesRead);
}

function roundUp4(value: number): number {
  return Math.ceil(value / 4) * 4;
}
