/** The check of `npm run api:check`: documents are current, and blessed ones promise what they promised. */
import { mainBase, releasedDigests } from './blessed.mjs';
import { compareDocuments } from './compare.mjs';
import { contractDigest } from './contract.mjs';
import { FOLDER, staleEntries, wantedEntries } from './documents.mjs';

const NEW_VERSION =
  'A version that is out never changes: put the change into a new version (a module beside the last one, a row in its versions.ts) and run npm run api:generate.';
const GENERATE = 'Run npm run api:generate and commit what it writes.';

/** @typedef {{ problem: string, remedy: string }} Finding */

/**
 * @param {string} root of the repository
 * @param {readonly import('@drover/protocol/http').HttpApi[]} apis
 * @returns {{ findings: Finding[], notes: string[] }} nothing is wrong where there are no findings; a note for each document
 */
export function checkApis(root, apis) {
  const wanted = wantedEntries(apis);
  const base = mainBase(root);
  const released = releasedDigests(root);
  /** @type {Finding[]} */
  const findings = staleEntries(root, wanted).map((problem) => ({ problem, remedy: GENERATE }));
  const notes = [
    base
      ? `Main is ${base.name}.`
      : 'There is no history here that reaches main; released versions alone are held.',
  ];
  const paths = new Set([...released.keys(), ...(base?.documents.keys() ?? []), ...wanted.keys()]);
  for (const path of paths) {
    const entry = wanted.get(path);
    if (entry && 'link' in entry) continue;
    const blessed = base?.documents.get(path);
    const digest = released.get(path);
    if (entry === undefined) {
      findings.push({
        problem: `${path} is blessed, and no contract has that version any more.`,
        remedy: 'Bring the version back into the table of its versions.',
      });
      continue;
    }
    const document = JSON.parse(entry.text);
    const changes = blessed ? compareDocuments(blessed, document) : [];
    for (const { where, what } of changes) {
      findings.push({
        problem: `${path} is blessed (on ${base?.name}), and changed: ${where}: ${what}.`,
        remedy: NEW_VERSION,
      });
    }
    if (digest !== undefined && digest !== contractDigest(document) && changes.length === 0) {
      findings.push({
        problem: `${path} is released, and promises something else than it did then.`,
        remedy: NEW_VERSION,
      });
    }
    const standing = digest !== undefined ? 'released' : blessed ? 'on main' : 'new, not blessed yet';
    notes.push(`${path}: ${standing}`);
  }
  for (const [path, digest] of base?.released ?? []) {
    if (released.get(path) === digest) continue;
    findings.push({
      problem: `The line of ${path} in ${FOLDER}/RELEASED.sha256 was changed or removed.`,
      remedy: 'Put it back; lines are only added.',
    });
  }
  return { findings, notes };
}
