/**
 * Packs a built checkout into `drover-<version>-linux-x64.tar.xz`, which needs nothing but Node: the packages' compiled code, the
 * libraries it uses, the addon and the shim. The same checkout packed twice gives the same bytes.
 *
 *   npm run release                                     builds this checkout and packs it into dist/
 *   node tools/release/main.mjs --checkout DIR --out DIR   packs another checkout, which must have been built
 *
 * Prints the archive's line for a list of checksums. A binary that Debian 12 could not load is refused.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../bootstrap/step.mjs';
import { fileSha256, packArchive } from './archive.mjs';
import { ReleaseError } from './release-error.mjs';
import { stageRelease } from './stage.mjs';

const { values } = parseArgs({
  options: {
    checkout: { type: 'string', default: root },
    out: { type: 'string', default: join(root, 'dist') },
  },
});
const staging = mkdtempSync(join(tmpdir(), 'drover-release-'));
try {
  const { top, name } = stageRelease(resolve(values.checkout), staging);
  mkdirSync(values.out, { recursive: true });
  const archive = join(values.out, `${name}.tar.xz`);
  packArchive(top, archive);
  process.stdout.write(`${fileSha256(archive)}  ${archive}\n`);
} catch (error) {
  if (!(error instanceof ReleaseError)) throw error;
  process.stderr.write(`release: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(staging, { recursive: true, force: true });
}
