/** Which files of a package a release holds: what Node can load, and the licence. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { ReleaseError } from './release-error.mjs';

/** What is of use at run time; the rest (scripts, development needs, where it was published) stays behind. */
const manifestKeys = [
  'name',
  'version',
  'license',
  'type',
  'main',
  'exports',
  'imports',
  'bin',
  'engines',
  'dependencies',
];
const loadable = new Set(['.js', '.cjs', '.mjs', '.json']);
const isLicence = (/** @type {string} */ name) => /^(licen[cs]e|notice|copying)/i.test(name);
/** Folders at the top of a library that its code does not load from. */
const notCode = new Set([
  ...['test', 'tests', '__tests__', 'spec', 'docs', 'doc', 'example', 'examples'],
  ...['bench', 'benches', 'benchmark', 'benchmarks', 'coverage', 'scripts', 'tools', 'node_modules'],
]);

/**
 * A package of this repository: what its `files` names. Compiled code whose source is gone is left where it is.
 * @param {string} from
 * @param {string} to
 */
export function copyPackage(from, to) {
  const manifest = copyManifest(from, to);
  for (const name of manifest.files) {
    if (!existsSync(join(from, name))) {
      throw new ReleaseError(`${join(from, name)} is not there; build the checkout with "npm run bootstrap"`);
    }
  }
  const commands = /** @type {string[]} */ (Object.values(manifest.bin ?? {}));
  const named = manifest.files.flatMap((/** @type {string} */ name) => filesBelow(from, name));
  for (const path of [...named, ...commands]) {
    if (!/\.(map|d\.ts|tsbuildinfo)$/.test(path) && hasSource(from, path)) copy(from, to, path);
  }
}

/**
 * A library from the registry.
 * @param {string} from
 * @param {string} to
 */
export function copyLibrary(from, to) {
  copyManifest(from, to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.name === 'package.json' || (entry.isDirectory() && notCode.has(entry.name))) continue;
    for (const path of filesBelow(from, entry.name)) {
      if (loadable.has(extname(path)) || isLicence(basename(path))) copy(from, to, path);
    }
  }
}

/**
 * The command, the licence and a package.json that makes the command an ES module.
 * @param {string} checkout
 * @param {string} top
 * @param {string} version
 */
export function writeTop(checkout, top, version) {
  const { name, license, type, engines } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
  writeJson(join(top, 'package.json'), { name, version, private: true, license, type, engines });
  copy(checkout, top, 'LICENSE');
  mkdirSync(join(top, 'bin'));
  writeFileSync(
    join(top, 'bin', 'drover'),
    "#!/usr/bin/env node\nimport '../node_modules/@drover/cli/bin/drover.mjs';\n",
  );
}

/**
 * @param {string} from
 * @param {string} to
 * @returns the whole package.json of the original
 */
function copyManifest(from, to) {
  const manifest = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  const kept = manifestKeys.filter((key) => key in manifest).map((key) => [key, manifest[key]]);
  writeJson(join(to, 'package.json'), Object.fromEntries(kept));
  return manifest;
}

/**
 * Paths of the files at or below `name`, relative to `folder`; hidden ones are left out.
 * @param {string} folder
 * @param {string} name
 * @returns {string[]}
 */
function filesBelow(folder, name) {
  if (name.startsWith('.')) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  const entry = entries.find((one) => one.name === name);
  if (entry?.isFile()) return [name];
  if (!entry?.isDirectory()) return [];
  return readdirSync(join(folder, name)).flatMap((below) =>
    filesBelow(join(folder, name), below).map((path) => `${name}/${path}`),
  );
}

/**
 * @param {string} folder
 * @param {string} path
 */
function hasSource(folder, path) {
  const compiled = /^dist\/(.*)\.js$/.exec(path);
  return (
    compiled === null || ['src/', ''].some((place) => existsSync(join(folder, `${place}${compiled[1]}.ts`)))
  );
}

/**
 * @param {string} from
 * @param {string} to
 * @param {string} path
 */
function copy(from, to, path) {
  mkdirSync(dirname(join(to, path)), { recursive: true });
  copyFileSync(join(from, path), join(to, path));
}

/**
 * @param {string} path
 * @param {unknown} value
 */
function writeJson(path, value) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
