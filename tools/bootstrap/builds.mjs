import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root, run, say } from './step.mjs';

/** Folders that hold no source, wherever they are. */
const notSource = new Set([
  'node_modules',
  'dist',
  'prebuilds',
  'test-results',
  'test',
  'tests',
  '.nx',
  'vectors',
  'testdata',
]);
const isBuildFolder = (/** @type {string} */ name) => name === 'build' || name.startsWith('build-');

/** What must exist after a build. */
const results = [
  'packages/cli/dist/index.js',
  'native/dist/index.js',
  `native/prebuilds/${process.platform}-${process.arch}/drover.node`,
  `native/prebuilds/${process.platform}-${process.arch}/libdrover-shim.so`,
  'native/guest/build/drover-guest.elf',
];

/**
 * A fingerprint of every source file by path, size and time: cheap, and only ever wrong towards asking Nx, which hashes
 * the contents.
 */
function fingerprint() {
  const hash = createHash('sha256').update(process.version);
  /** @param {string} folder */
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (notSource.has(entry.name) || isBuildFolder(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile()) {
        const { size, mtimeMs } = statSync(path);
        hash.update(`${path}\0${size}\0${mtimeMs}\n`);
      }
    }
  };
  for (const folder of ['packages', 'native']) walk(join(root, folder));
  for (const file of ['nx.json', 'tsconfig.base.json', 'package-lock.json']) {
    hash.update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

/** Builds the packages, the addon, the shim and the bare guest when a source is newer than the last build. */
export function builds() {
  const stamp = join(root, '.drover', 'built');
  const complete = results.every((path) => existsSync(join(root, path)));
  if (complete && existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint()) return;
  say('building');
  run('npx', ['--no-install', 'nx', 'run-many', '-t', 'build', 'build-native', 'build-guest'], {
    remedy: 'The lines above say what did not compile.',
  });
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, fingerprint());
}
