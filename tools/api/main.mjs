/**
 * The documents of the HTTP APIs: `generate` writes them from the contracts in `packages/protocol`, `check` says whether they are
 * current and whether a blessed one changed, `release` adds every version to the list of those that went out.
 *
 *   node tools/api/main.mjs generate|check|release
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { httpApis } from '@drover/protocol/http';
import { root } from '../bootstrap/step.mjs';
import { releasedDigests, releasedText } from './blessed.mjs';
import { checkApis } from './check.mjs';
import { FOLDER, wantedEntries, writeEntries } from './documents.mjs';

const wanted = wantedEntries(httpApis);

switch (process.argv[2]) {
  case 'generate':
    writeEntries(root, wanted);
    process.stdout.write(`${wanted.size} files written to ${FOLDER}.\n`);
    break;
  case 'check':
    check();
    break;
  case 'release':
    release();
    break;
  default:
    process.stderr.write('Usage: node tools/api/main.mjs generate|check|release\n');
    process.exitCode = 2;
}

function check() {
  const { findings, notes } = checkApis(root, httpApis);
  for (const note of notes) process.stdout.write(`${note}\n`);
  for (const { problem } of findings) process.stderr.write(`${problem}\n`);
  for (const remedy of new Set(findings.map((finding) => finding.remedy)))
    process.stderr.write(`→ ${remedy}\n`);
  if (findings.length > 0) process.exitCode = 1;
}

function release() {
  const documents = new Map();
  for (const [path, entry] of wanted) if ('text' in entry) documents.set(path, JSON.parse(entry.text));
  writeFileSync(join(root, FOLDER, 'RELEASED.sha256'), releasedText(releasedDigests(root), documents));
}
