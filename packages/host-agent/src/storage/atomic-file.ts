/** Files that are either the old or the new one after a crash, never a mixture. */
import { randomUUID } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { type Disk, nodeDisk } from './disk.js';

/** Replaces `path` with `text`: temporary file in the same directory, sync, rename, sync of the directory. */
export async function writeFileAtomic(
  path: string,
  text: string | Uint8Array,
  disk: Disk = nodeDisk,
): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    const file = await disk.create(temporary);
    try {
      await file.write(Buffer.from(text), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(temporary, path);
  } catch (thrown) {
    await disk.remove(temporary).catch(() => undefined);
    throw thrown;
  }
  await disk.syncDirectory(directory);
}

/** Whether a name in a directory is what a crash left of {@link writeFileAtomic}. */
export function isTemporaryName(name: string): boolean {
  return name.startsWith('.') && name.endsWith('.tmp');
}

/** Removes what a crash left of atomic writes in a directory that nobody else writes to. */
export async function removeTemporaries(directory: string, disk: Disk = nodeDisk): Promise<void> {
  for (const name of await disk.list(directory)) {
    if (isTemporaryName(name)) await disk.remove(join(directory, name));
  }
}
