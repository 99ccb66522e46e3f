import { ReleaseError } from './release-error.mjs';

/**
 * What the lock file says about one folder.
 * @typedef {object} LockEntry
 * @property {string} [name]
 * @property {boolean} [link] the folder is a link to `resolved`, a package of this repository
 * @property {string} [resolved]
 * @property {boolean} [optional] it may be missing, as one for another platform is
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [optionalDependencies]
 * @property {Record<string, string>} [peerDependencies]
 * @property {Record<string, { optional?: boolean }>} [peerDependenciesMeta]
 */

/**
 * One package of a release.
 * @typedef {object} ReleasePackage
 * @property {string} folder where it is in the checkout
 * @property {string} place where it goes in the archive
 * @property {boolean} own whether it is a package of this repository
 * @property {boolean} optional whether it may be missing
 */

/**
 * Everything that the package in `start` needs at run time, itself included, found as Node finds it: in the nearest node_modules
 * upwards. Throws {@link ReleaseError} for one that the lock file does not have.
 *
 * @param {Readonly<Record<string, LockEntry>>} lock `packages` of package-lock.json: entries by folder
 * @param {string} start folder
 * @returns {ReleasePackage[]} sorted by place
 */
export function productionPackages(lock, start) {
  /** @type {Map<string, ReleasePackage>} */
  const found = new Map();
  const waiting = [start];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    const entry = lock[folder];
    if (entry === undefined || found.has(folder)) continue;
    found.set(folder, {
      folder,
      place: placeOf(lock, folder),
      own: !folder.includes('node_modules/'),
      optional: entry.optional === true,
    });
    for (const { name, optional } of needsOf(entry)) {
      const next = resolve(lock, folder, name);
      if (next !== null) waiting.push(next);
      else if (!optional) {
        throw new ReleaseError(
          `${folder} needs ${name}, which package-lock.json does not have; run "npm install"`,
        );
      }
    }
  }
  return [...found.values()].sort((a, b) => (a.place < b.place ? -1 : 1));
}

/** @param {LockEntry} entry */
function needsOf({
  dependencies = {},
  optionalDependencies = {},
  peerDependencies = {},
  peerDependenciesMeta = {},
}) {
  return [
    ...Object.keys(dependencies).map((name) => ({ name, optional: name in optionalDependencies })),
    ...Object.keys(optionalDependencies).map((name) => ({ name, optional: true })),
    ...Object.keys(peerDependencies).map((name) => ({
      name,
      optional: peerDependenciesMeta[name]?.optional === true,
    })),
  ];
}

/**
 * @param {Readonly<Record<string, LockEntry>>} lock
 * @param {string} from
 * @param {string} name
 */
function resolve(lock, from, name) {
  const parts = from.split('/');
  for (let length = parts.length; length >= 0; length -= 1) {
    if (parts[length - 1] === 'node_modules') continue;
    const folder = [...parts.slice(0, length), 'node_modules', name].join('/');
    const entry = lock[folder];
    if (entry !== undefined) return entry.link ? (entry.resolved ?? null) : folder;
  }
  return null;
}

/**
 * Our own packages go to where npm would install them; their libraries keep their place below them.
 * @param {Readonly<Record<string, LockEntry>>} lock
 * @param {string} folder
 */
function placeOf(lock, folder) {
  const links = Object.entries(lock).filter(([, entry]) => entry.link);
  const holder = links.find(
    ([, { resolved }]) => folder === resolved || folder.startsWith(`${resolved}/node_modules/`),
  );
  return holder === undefined ? folder : holder[0] + folder.slice((holder[1].resolved ?? '').length);
}
