import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileSha256 } from './archive.mjs';

/**
 * Writes `manifest.json`: the release, its platform, what its binaries need, and the SHA-256 of every other file. Gives every file the
 * mode it has in the archive.
 * @param {string} top
 * @param {{ release: string, platform: string, needs: Record<string, string> }} about
 */
export function writeManifest(top, about) {
  /** @type {Record<string, string>} */
  const files = {};
  const paths = readdirSync(top, { recursive: true, encoding: 'utf8' }).map((path) => join(top, path));
  for (const path of paths.sort()) {
    if (statSync(path).isDirectory()) {
      chmodSync(path, 0o755);
      continue;
    }
    const name = relative(top, path);
    chmodSync(path, name === 'bin/drover' ? 0o755 : 0o644);
    files[name] = fileSha256(path);
  }
  writeFileSync(join(top, 'manifest.json'), `${JSON.stringify({ ...about, files }, null, 2)}\n`, {
    mode: 0o644,
  });
  chmodSync(top, 0o755);
}
