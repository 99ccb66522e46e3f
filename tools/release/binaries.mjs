/** The addon and the shim in a release: stripped, and loadable on Debian 12 and newer. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ReleaseError } from './release-error.mjs';

/** The newest symbol versions of Debian 12: glibc 2.36 and the libraries of GCC 12. */
const newestOnDebian12 = { GLIBC: '2.36', GLIBCXX: '3.4.30', CXXABI: '1.3.13', GCC: '12.0.0' };
/** Libraries that every Debian with Node has. */
const everywhere = ['libc.so.6', 'libm.so.6', 'libstdc++.so.6', 'libgcc_s.so.1', 'ld-linux-x86-64.so.2'];

/**
 * Strips the binaries of a release.
 * @param {string} top
 * @param {string} platform
 * @returns {Record<string, string>} the newest version needed of each set of symbols, as `{ GLIBC: "2.34" }`
 */
export function finishBinaries(top, platform) {
  /** @type {Map<string, string>} */
  const needs = new Map();
  for (const name of ['drover.node', 'libdrover-shim.so']) {
    const path = join(top, 'node_modules/@drover/native/prebuilds', platform, name);
    if (!existsSync(path)) {
      throw new ReleaseError(`${name} was not built for ${platform}; build it with "npm run bootstrap"`);
    }
    execFileSync('strip', ['--strip-unneeded', path]);
    const described = execFileSync('readelf', ['--wide', '--dynamic', '--version-info', path], {
      encoding: 'utf8',
    });
    const why = whyNotOnDebian12(described);
    if (why !== null) throw new ReleaseError(`${name} ${why}; build the release on Debian 12`);
    for (const [set, version] of symbolVersions(described)) {
      if (isNewer(version, needs.get(set) ?? '0')) needs.set(set, version);
    }
  }
  return Object.fromEntries([...needs].sort());
}

/**
 * @param {string} described what readelf says of a binary's dynamic section and version needs
 * @returns {string | null} the first thing that Debian 12 does not have; null when it has all
 */
export function whyNotOnDebian12(described) {
  for (const [, library = ''] of described.matchAll(/\(NEEDED\).*\[(.+)\]/g)) {
    if (!everywhere.includes(library)) return `needs the library ${library}, which Debian 12 need not have`;
  }
  for (const [set, version] of symbolVersions(described)) {
    const newest = new Map(Object.entries(newestOnDebian12)).get(set);
    if (newest === undefined) return `needs ${set}_${version}, which Debian 12 does not have`;
    if (isNewer(version, newest)) return `needs ${set}_${version}; Debian 12 has ${set}_${newest}`;
  }
  return null;
}

/** @param {string} described */
function symbolVersions(described) {
  return [...described.matchAll(/Name: ([A-Z]+)_([0-9.]+) /g)].map(
    ([, set = '', version = '']) => /** @type {const} */ ([set, version]),
  );
}

/**
 * @param {string} a
 * @param {string} b
 */
function isNewer(a, b) {
  return a.localeCompare(b, 'en', { numeric: true }) > 0;
}
