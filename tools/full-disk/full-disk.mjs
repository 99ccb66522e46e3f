/** A disk that is full when a test says so: see README.md. */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/**
 * Builds what has to be preloaded, and says what the environment of a process must have.
 *
 * @param {string} directory absolute; nothing below it can be written while it is full
 */
export function fullDisk(directory) {
  execFileSync('make', ['-s', '-C', here]);
  const flag = `${directory}.full`;
  return {
    environment: { LD_PRELOAD: join(here, 'build', 'full-disk.so'), DROVER_TEST_FULL_DISK: directory },
    /** @param {boolean} full */
    set(full) {
      if (full) writeFileSync(flag, '');
      else rmSync(flag, { force: true });
    },
  };
}
