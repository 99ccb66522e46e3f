/** The builds that the upgrade suite runs side by side, each complete in a folder of its own, as a host would have it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileSha256 } from '../../tools/release/archive.mjs';
import { stageRelease } from '../../tools/release/stage.mjs';

/** Archives of earlier releases; its README says when one is added. */
export const releasesFolder = fileURLToPath(new URL('../releases/', import.meta.url));

/** What the build that is too new speaks: a version that no release here will come near to. */
const TOO_NEW_PEER_VERSION = 900;

/**
 * The top folder of each: the newest release that is kept, this checkout, and this checkout as if from a later time.
 * @typedef {{ old: string, new: string, tooNew: string }} BuildFolders
 */

/**
 * @param {string} root the checkout, built
 * @param {string} folder where the builds go
 * @returns {{ builds: BuildFolders } | { missing: string }} why the kept release cannot run here, where it cannot
 */
export function layOutBuilds(root, folder) {
  const old = unpack(newestArchive(), join(folder, 'old'));
  const missing = whyNotLoadable(old);
  if (missing !== null) return { missing };
  const { top } = stageRelease(root, join(folder, 'new'));
  const tooNew = join(folder, 'too-new');
  cpSync(top, tooNew, { recursive: true });
  replacePeerVersions(tooNew);
  return { builds: { old, new: top, tooNew } };
}

/** The archives are listed oldest first. */
function newestArchive() {
  const lines = readFileSync(join(releasesFolder, 'FROZEN.sha256'), 'utf8').trimEnd().split('\n');
  const [hash, name = ''] = (lines.at(-1) ?? '').split('  ');
  const archive = join(releasesFolder, name);
  if (fileSha256(archive) !== hash) throw new Error(`${archive} is not the file that was frozen`);
  return archive;
}

/**
 * @param {string} archive
 * @param {string} folder
 */
function unpack(archive, folder) {
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['--extract', `--file=${archive}`, `--directory=${folder}`, '--strip-components=1']);
  return folder;
}

/**
 * @param {string} build
 * @returns {string | null} null where its addon loads
 */
function whyNotLoadable(build) {
  const addon = join(
    build,
    `node_modules/@drover/native/prebuilds/${process.platform}-${process.arch}/drover.node`,
  );
  const { status, stderr } = spawnSync(process.execPath, ['-e', 'require(process.argv[1])', addon], {
    encoding: 'utf8',
  });
  if (status === 0) return null;
  return `the kept release's addon does not load here: ${/^Error: .*$/m.exec(stderr)?.[0] ?? stderr.trim()}`;
}

/**
 * Makes a build of a later time out of a copy of this one. The registry's list of versions is what every preamble and every agreement
 * is made from, so a copy with another list refuses, and is refused, as a release would that has dropped everything known today.
 * @param {string} build
 */
function replacePeerVersions(build) {
  const registry = join(build, 'node_modules/@drover/protocol/dist/peer/registry.js');
  const text = readFileSync(registry, 'utf8');
  const list = /(?<=export const PEER_VERSIONS = )\[[^\]]*\]/;
  if (!list.test(text)) throw new Error(`${registry} has no list PEER_VERSIONS; see where it went`);
  writeFileSync(registry, text.replace(list, `[${TOO_NEW_PEER_VERSION}]`));
}
