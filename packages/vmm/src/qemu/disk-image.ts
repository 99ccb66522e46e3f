/** What an image file says of itself, as far as a host must have it: that it is a qcow2, and what it is backed by. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { codeOf, openingFailed, tryOpen } from '../host/open-file.js';

/** "QFI" and 0xfb; QEMU docs/interop/qcow2.txt. */
const QCOW2_MAGIC = 0x514649fb;
/** Offsets in the header, big-endian numbers. */
const BACKING_OFFSET_AT = 8;
const BACKING_BYTES_AT = 16;
/** The part of the header that every version has. */
const HEADER_BYTES = 72;
/** What a header may give to the name. */
const BACKING_BYTES_MAX = 1023;
/** Images behind one another, at most: a chain that is longer is one that bites its own tail. */
const CHAIN_MAX = 64;

/**
 * Why this qcow2 image could not be used, as the end of a sentence; null where all it is made of is here. It is read while another host may have
 * it open for writing: its header and the names in it do not change then.
 */
export async function whyNotQcow2(path: string): Promise<string | null> {
  const seen = [path];
  for (let image = path; ; ) {
    const read = await readHeader(image);
    const who = image === path ? 'it' : `its backing file ${image}`;
    if (read.kind === 'unreadable') return `${who} cannot be read (${read.why})`;
    if (read.kind === 'other') return image === path ? 'it is no qcow2 image' : null;
    if (read.backing === null) return null;
    // A URL or a JSON description: not a file of this host, and QEMU's to judge.
    if (/^[a-z][a-z0-9+.-]*:/.test(read.backing)) return null;
    image = resolve(dirname(image), read.backing);
    const opened = await tryOpen(image, constants.O_RDONLY);
    if (opened.kind === 'unusable') return `its backing file ${image} is missing here: ${opened.why}`;
    if (seen.includes(image) || seen.length === CHAIN_MAX)
      return `its chain of backing files has no end (${image})`;
    seen.push(image);
  }
}

type Header =
  | { readonly kind: 'qcow2'; readonly backing: string | null }
  | { readonly kind: 'other' }
  | { readonly kind: 'unreadable'; readonly why: string };

async function readHeader(path: string): Promise<Header> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const header = await read(file, 0, HEADER_BYTES);
      if (header.length < HEADER_BYTES || header.readUInt32BE(0) !== QCOW2_MAGIC) return { kind: 'other' };
      const offset = header.readBigUInt64BE(BACKING_OFFSET_AT);
      const bytes = header.readUInt32BE(BACKING_BYTES_AT);
      if (offset === 0n || bytes === 0) return { kind: 'qcow2', backing: null };
      const wrong = bytes > BACKING_BYTES_MAX || offset > BigInt(Number.MAX_SAFE_INTEGER);
      const name = wrong ? Buffer.alloc(0) : await read(file, Number(offset), bytes);
      if (name.length < bytes)
        return { kind: 'unreadable', why: 'its header names a backing file outside of it' };
      return { kind: 'qcow2', backing: name.toString('utf8') };
    } finally {
      await file.close();
    }
  } catch (cause) {
    return { kind: 'unreadable', why: openingFailed(codeOf(cause)) };
  }
}

/** As much of it as there is. */
async function read(file: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, position);
  return buffer.subarray(0, bytesRead);
}
