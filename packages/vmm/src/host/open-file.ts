/** Whether a file of the host can be opened, and why not. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

export type Opened =
  | { readonly kind: 'file' | 'block-device' }
  | { readonly kind: 'unusable'; readonly why: string; readonly code: string | null };

/** O_NONBLOCK: a FIFO must not hold the check up. */
export async function tryOpen(path: string, flags: number): Promise<Opened> {
  try {
    const file = await open(path, flags | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (stat.isFile()) return { kind: 'file' };
      if (stat.isBlockDevice()) return { kind: 'block-device' };
      return { kind: 'unusable', why: 'it is neither a file nor a block device', code: null };
    } finally {
      await file.close();
    }
  } catch (cause) {
    const code = codeOf(cause);
    return { kind: 'unusable', why: openingFailed(code), code };
  }
}

export function codeOf(cause: unknown): string | null {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : null;
}

/** As the end of a sentence. */
export function openingFailed(code: string | null): string {
  switch (code) {
    case 'ENOENT':
      return 'it does not exist';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not open it';
    case 'EROFS':
      return 'it lies on a read-only file system';
    case 'EISDIR':
      return 'it is a directory';
    default:
      return `opening it failed (${code ?? 'unknown error'})`;
  }
}
