/** The documents as they lie in `packages/protocol/openapi/`: one for each version, and a link to each API's newest. */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { openApiDocument } from './openapi.mjs';

/** @typedef {import('@drover/protocol/http').HttpApi} HttpApi */

/** Where the documents are in the repository. */
export const FOLDER = 'packages/protocol/openapi';

/** What a file in the folder shall be: a text, or a link to a file beside it. */
/** @typedef {{ text: string } | { link: string }} Entry */

/**
 * Every file that the contracts call for, by its path in the folder: `agent/agent-1.0.0.json`.
 * @param {readonly HttpApi[]} apis
 * @returns {Map<string, Entry>}
 */
export function wantedEntries(apis) {
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  for (const api of apis) {
    for (const version of api.versions) {
      const text = `${JSON.stringify(openApiDocument(api, version), null, 2)}\n`;
      entries.set(documentPath(api.name, version.version), { text });
    }
    const newest = api.versions.at(-1);
    if (newest) {
      entries.set(documentPath(api.name, 'latest'), { link: `${api.name}-${newest.version}.json` });
    }
  }
  return entries;
}

/**
 * @param {string} api
 * @param {string} version or `latest`
 */
export function documentPath(api, version) {
  return `${api}/${api}-${version}.json`;
}

/**
 * What of `wanted` is not so in `root`'s folder, as sentences.
 * @param {string} root of the repository
 * @param {ReadonlyMap<string, Entry>} wanted
 * @returns {string[]}
 */
export function staleEntries(root, wanted) {
  const folder = join(root, FOLDER);
  const found = [];
  for (const [path, entry] of wanted) {
    const present = readEntry(join(folder, path));
    if (present === null) found.push(`${FOLDER}/${path} is missing.`);
    else if (JSON.stringify(present) !== JSON.stringify(entry)) {
      found.push(`${FOLDER}/${path} is not what the contract says.`);
    }
  }
  for (const path of presentPaths(folder)) {
    if (!wanted.has(path)) found.push(`${FOLDER}/${path} belongs to no version of a contract.`);
  }
  return found;
}

/**
 * @param {string} root
 * @param {ReadonlyMap<string, Entry>} wanted
 */
export function writeEntries(root, wanted) {
  const folder = join(root, FOLDER);
  for (const path of presentPaths(folder)) if (!wanted.has(path)) rmSync(join(folder, path));
  for (const [path, entry] of wanted) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    rmSync(file, { force: true });
    if ('link' in entry) symlinkSync(entry.link, file);
    else writeFileSync(file, entry.text);
  }
}

/**
 * @param {string} file
 * @returns {Entry | null}
 */
function readEntry(file) {
  const status = lstatSync(file, { throwIfNoEntry: false });
  if (!status) return null;
  return status.isSymbolicLink() ? { link: readlinkSync(file) } : { text: readFileSync(file, 'utf8') };
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
function presentPaths(folder) {
  if (!lstatSync(folder, { throwIfNoEntry: false })) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && entry.name.endsWith('.json'))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}
