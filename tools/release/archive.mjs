import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, renameSync } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Times, owners and order are fixed, and one compressing thread, so that equal contents are equal bytes. */
const settings = [
  ...['--format=ustar', '--sort=name', '--mtime=2000-01-01 00:00:00Z'],
  ...['--owner=0', '--group=0', '--numeric-owner', '--use-compress-program=xz -9e -T1'],
];

/**
 * @param {string} top the one folder in the archive
 * @param {string} archive where it goes, in one step
 */
export function packArchive(top, archive) {
  const fresh = `${archive}.${process.pid}`;
  execFileSync(
    'tar',
    ['--create', `--file=${fresh}`, `--directory=${dirname(top)}`, ...settings, basename(top)],
    {
      env: { ...process.env, LC_ALL: 'C' },
    },
  );
  renameSync(fresh, archive);
}

/** @param {string} path */
export function fileSha256(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
