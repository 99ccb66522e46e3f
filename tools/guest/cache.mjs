import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A key over the names and contents of all files below `directories`, but those named in `except`.
 *
 * @param {readonly string[]} directories
 * @param {{ except?: readonly string[], also?: string }} [options] `except`: files and folders, relative to any of the
 *   directories; `also`: anything else that the result depends on
 * @returns {Promise<string>} 24 hex digits
 */
export async function contentKey(directories, { except = [], also = '' } = {}) {
  const hash = createHash('sha256').update(also);
  for (const directory of directories) {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const paths = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
      .filter((path) => !except.some((name) => path === name || path.startsWith(`${name}/`)))
      .sort();
    for (const path of paths) {
      const data = await readFile(join(directory, path));
      hash.update(`\0${path}\0${data.length}\0`).update(data);
    }
  }
  return hash.digest('hex').slice(0, 24);
}

/** @param {string} path */
const exists = (path) =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * The folder `cacheDir/name`, made by `make` in a temporary folder beside it and renamed when whole: it is complete or
 * not there. Of two who make it at the same time the first to finish wins, and both get the same.
 *
 * @param {string} cacheDir
 * @param {string} name
 * @param {(directory: string) => Promise<void>} make
 * @returns {Promise<string>}
 */
export async function cachedDirectory(cacheDir, name, make) {
  const target = join(cacheDir, name);
  if (await exists(target)) return target;
  await mkdir(cacheDir, { recursive: true });
  const temporary = await mkdtemp(join(cacheDir, '.making-'));
  try {
    await make(temporary);
    await rename(temporary, target).catch(async (error) => {
      if (!(await exists(target))) throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return target;
}
