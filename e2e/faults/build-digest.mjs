/** Which build and which suite cells were run on, so that only results of one are put together. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of the checkout: what its agents and VMMs run, and what judges them. */
const FOLDERS = [
  'packages',
  'native/dist',
  'native/prebuilds',
  'native/guest/build',
  'e2e/faults',
  'e2e/harness',
  'tools/beat',
  'tools/full-disk',
];
const COUNTS =
  /\/dist\/.*\.js$|\.node$|\.so$|^native\/.*\.elf$|^e2e\/.*(?<!quick\.test)\.m?[tj]s$|^tools\/.*\.mjs$/;

/** @param {string} root */
export function buildDigest(root) {
  const hash = createHash('sha256');
  const paths = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => !name.includes('node_modules/'))
      .map((name) => join(folder, name)),
  );
  for (const path of paths.filter((name) => COUNTS.test(name)).toSorted())
    hash.update(path).update(readFileSync(join(root, path)));
  return hash.digest('hex').slice(0, 16);
}
