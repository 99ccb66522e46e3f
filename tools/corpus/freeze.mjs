/**
 * Freezes new documents and vectors: adds their hashes to the `FROZEN.sha256` of their folder. What is frozen is never edited, so a
 * frozen file that changed or is gone is refused, and nothing is written; so is a list whose lines differ from those on the main branch
 * (at the merge base with `origin/main`, or with `main`; without a history the list stands alone).
 *
 *     node tools/corpus/freeze.mjs packages/types/testdata packages/protocol/vectors
 *
 * With `--check` it writes nothing, and a file that is not yet frozen is a refusal too.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The list of a folder: `<sha256>  <path below the folder>` a line, sorted by path, as `sha256sum --check` reads it. */
export const FROZEN_LIST = 'FROZEN.sha256';

/** @typedef {{ readonly added: readonly string[], readonly refusals: readonly string[] }} Outcome */

/**
 * Compares a folder with its list, and adds what is new unless there is a refusal.
 *
 * @param {string} folder
 * @param {{ readonly check?: boolean }} [options]
 * @returns {Outcome}
 */
export function freeze(folder, { check = false } = {}) {
  const listFile = join(folder, FROZEN_LIST);
  const frozen = existsSync(listFile) ? readList(readFileSync(listFile, 'utf8')) : new Map();
  const present = hashAll(folder);
  const refusals = [];
  for (const [path, hash] of readList(listOnMain(folder))) {
    if (frozen.get(path) === hash) continue;
    refusals.push(`${listFile} has another line for ${path} than the main branch, or none; restore it.`);
  }
  for (const [path, hash] of frozen) {
    const now = present.get(path);
    if (now === undefined) refusals.push(`${join(folder, path)} is frozen and gone; restore it.`);
    else if (now !== hash) {
      refusals.push(
        `${join(folder, path)} is frozen and was edited; restore it, and add a new file beside it.`,
      );
    }
  }
  const added = [...present.keys()].filter((path) => !frozen.has(path));
  if (check) {
    refusals.push(
      ...added.map((path) => `${join(folder, path)} is not frozen; run tools/corpus/freeze.mjs ${folder}.`),
    );
  } else if (refusals.length === 0 && added.length > 0) {
    writeFileSync(listFile, [...present].map(([path, hash]) => `${hash}  ${path}\n`).join(''));
  }
  return { added, refusals };
}

/** @param {string} text @returns {Map<string, string>} */
function readList(text) {
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const match = /^([0-9a-f]{64}) {2}(.+)$/.exec(line);
      if (match === null) throw new Error(`${FROZEN_LIST} has a line that is no hash and path: ${line}`);
      const [, hash = '', path = ''] = match;
      return [path, hash];
    }),
  );
}

/** The list as the main branch has it; empty without a history that reaches it. @param {string} folder @returns {string} */
function listOnMain(folder) {
  for (const branch of ['origin/main', 'main']) {
    const commit = git(folder, ['merge-base', 'HEAD', branch])?.trim();
    if (commit) return git(folder, ['show', `${commit}:./${FROZEN_LIST}`]) ?? '';
  }
  return '';
}

/** @param {string} folder @param {readonly string[]} args @returns {string | null} null where git is not there or says no */
function git(folder, args) {
  try {
    return execFileSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return null;
  }
}

/** Every file of the folder but the list, sorted by path. @param {string} folder @returns {Map<string, string>} */
function hashAll(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== FROZEN_LIST)
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, sep).length))
    .sort();
  return new Map(
    files.map((path) => [
      path.replaceAll(sep, '/'),
      createHash('sha256')
        .update(readFileSync(join(folder, path)))
        .digest('hex'),
    ]),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check');
  const folders = process.argv.slice(2).filter((argument) => argument !== '--check');
  if (folders.length === 0) {
    console.error('usage: node tools/corpus/freeze.mjs [--check] FOLDER…');
    process.exitCode = 2;
  }
  for (const folder of folders) {
    const { added, refusals } = freeze(folder, { check });
    for (const refusal of refusals) console.error(refusal);
    if (refusals.length > 0) process.exitCode = 1;
    else console.log(`${folder}: ${added.length === 0 ? 'nothing new' : `froze ${added.join(', ')}`}`);
  }
}
