import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { finishBinaries } from './binaries.mjs';
import { productionPackages } from './dependencies.mjs';
import { writeManifest } from './manifest.mjs';
import { copyLibrary, copyPackage, writeTop } from './packages.mjs';
import { ReleaseError } from './release-error.mjs';
import { tryRelease } from './try-release.mjs';

/** The package whose command a release is; what it depends on is what a release holds. */
const COMMAND_PACKAGE = 'packages/cli';

/**
 * Lays out a release, ready to run or to pack. Throws {@link ReleaseError} when the checkout is not built, or not so that Debian 12 could
 * run it.
 *
 * @param {string} checkout
 * @param {string} folder where the release's own folder is made
 * @returns {{ top: string, name: string }} that folder, and the archive's name without its ending
 */
export function stageRelease(checkout, folder) {
  if (!existsSync(join(checkout, COMMAND_PACKAGE))) {
    throw new ReleaseError(`${checkout} has no ${COMMAND_PACKAGE}: it is not a checkout of Drover`);
  }
  const { version } = JSON.parse(readFileSync(join(checkout, COMMAND_PACKAGE, 'package.json'), 'utf8'));
  const platform = `${process.platform}-${process.arch}`;
  const top = join(folder, `drover-${version}`);
  const lock = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8'));
  for (const part of productionPackages(lock.packages, COMMAND_PACKAGE)) {
    const from = join(checkout, part.folder);
    if (!existsSync(from)) {
      if (part.optional) continue;
      throw new ReleaseError(`${from} is not installed; run "npm ci" in the checkout`);
    }
    const copy = part.own ? copyPackage : copyLibrary;
    copy(from, join(top, part.place));
  }
  writeTop(checkout, top, version);
  const needs = finishBinaries(top, platform);
  writeManifest(top, { release: version, platform, needs });
  tryRelease(top, version);
  return { top, name: `drover-${version}-${platform}` };
}
