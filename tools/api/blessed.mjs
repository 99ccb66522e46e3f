/**
 * Which documents are blessed: somebody may rely on them, so their contract does not change any more.
 *
 * - All that are on the main branch: at the merge base of what is checked out with `origin/main`, or with `main` where there is no
 *   such remote. On `main` itself that is the last commit.
 * - All whose digest is in `packages/protocol/openapi/RELEASED.sha256`: they went out with a release. The list needs no history, so it
 *   also holds in an archive or a shallow clone. Its digests are of contracts, not of bytes: a description may still be corrected.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { contractDigest } from './contract.mjs';
import { FOLDER } from './documents.mjs';

const RELEASED = 'RELEASED.sha256';
const MAIN_BRANCHES = ['origin/main', 'main'];

/** @typedef {{ name: string, documents: Map<string, Record<string, unknown>>, released: Map<string, string> }} Base */

/**
 * What the main branch holds; null without a history that reaches it.
 * @param {string} root of the repository
 * @returns {Base | null}
 */
export function mainBase(root) {
  for (const branch of MAIN_BRANCHES) {
    const commit = git(root, ['merge-base', 'HEAD', branch])?.trim();
    if (!commit) continue;
    const names = (git(root, ['ls-tree', '-r', '--name-only', '-z', commit, '--', FOLDER]) ?? '').split('\0');
    const documents = new Map();
    for (const name of names.filter((each) => /-\d+\.0\.0\.json$/.test(each))) {
      const text = git(root, ['show', `${commit}:${name}`]);
      if (text !== null) documents.set(name.slice(FOLDER.length + 1), JSON.parse(text));
    }
    const list = git(root, ['show', `${commit}:${FOLDER}/${RELEASED}`]);
    return { name: `${branch} (${commit.slice(0, 12)})`, documents, released: parseReleased(list ?? '') };
  }
  return null;
}

/**
 * Digests of released contracts by document path.
 * @param {string} root
 * @returns {Map<string, string>}
 */
export function releasedDigests(root) {
  return parseReleased(readFileSync(join(root, FOLDER, RELEASED), 'utf8'));
}

/**
 * The list with a line for each document; lines that are there stay as they are.
 * @param {ReadonlyMap<string, string>} released
 * @param {ReadonlyMap<string, Record<string, unknown>>} documents
 * @returns {string}
 */
export function releasedText(released, documents) {
  const all = new Map(released);
  for (const [path, document] of documents) if (!all.has(path)) all.set(path, contractDigest(document));
  return [...all].map(([path, digest]) => `${digest}  ${path}\n`).join('');
}

/**
 * @param {string} text
 * @returns {Map<string, string>}
 */
function parseReleased(text) {
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [digest = '', path = ''] = line.split('  ');
        return [path, digest];
      }),
  );
}

/**
 * @param {string} root
 * @param {readonly string[]} args
 * @returns {string | null} null where git is not there or says no
 */
function git(root, args) {
  try {
    return execFileSync('git', ['-C', root, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 << 20,
    });
  } catch {
    return null;
  }
}
