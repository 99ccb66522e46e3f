/**
 * Proves that no wire structure is defined outside `packages/protocol`: every byte and document that leaves a process has its
 * layout there, with a SPEC.md, numbers and golden vectors. C++ that must know a layout is named in `exceptions.mjs`, and its numbers
 * are held to the registry. Prints one finding a line and exits 1 where there is one.
 *
 *   node tools/lint/wire-structures.mjs
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cxxFindings } from './cxx-source.mjs';
import { exceptions } from './exceptions.mjs';
import { numberFindings } from './numbers.mjs';
import { commandNames } from './registry.mjs';
import { typescriptFindings } from './typescript-source.mjs';

/** @import { Finding } from './finding.mjs' */
/** @import { Exception } from './exceptions.mjs' */

const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * @param {string} root of the repository
 * @returns {Finding[]} by file and line
 */
export function wireStructureFindings(root) {
  /** @param {string} path */
  const read = (path) => readFileSync(join(root, path), 'utf8');
  const commands = commandNames(read('packages/protocol/src/qmp/commands.ts'));
  const found = [
    ...typescriptFiles(root).flatMap((path) => typescriptFindings(path, read(path), commands)),
    ...cxxFiles(root).flatMap((path) => cxxFindings(path, read(path))),
  ];
  return [...applyExceptions(found, exceptions), ...numberFindings(read)].sort(
    (a, b) => a.path.localeCompare(b.path) || a.line - b.line,
  );
}

/**
 * Leaves out what an exception allows, and reports the exceptions that allow nothing any more.
 *
 * @param {readonly Finding[]} findings
 * @param {readonly Exception[]} allowed
 * @returns {Finding[]}
 */
export function applyExceptions(findings, allowed) {
  const used = new Set();
  const left = findings.filter((finding) => {
    const exception = allowed.find(({ rule, path }) => rule === finding.rule && matches(path, finding.path));
    if (exception !== undefined) used.add(exception);
    return exception === undefined;
  });
  const stale = allowed
    .filter((exception) => !used.has(exception))
    .map(({ rule, path }) => ({
      path,
      line: 1,
      rule: 'stale-exception',
      why: `nothing here needs the exception from ${rule} any more`,
      where: 'take its line out of tools/lint/exceptions.mjs',
    }));
  return [...left, ...stale];
}

/** @param {Finding} finding */
export function formatFinding({ path, line, rule, why, where }) {
  return `${path}:${line}: ${why}; ${where} [${rule}]`;
}

/** @param {string} pattern a file, or a folder with its slash @param {string} path */
function matches(pattern, path) {
  return pattern.endsWith('/') ? path.startsWith(pattern) : path === pattern;
}

/** Everything that runs in a Drover process, but for the package that the layouts belong to. @param {string} root */
function typescriptFiles(root) {
  const packages = readdirSync(join(root, 'packages')).filter((name) => name !== 'protocol');
  return [
    ...packages.flatMap((name) => filesUnder(root, `packages/${name}/src`, /\.tsx?$/)),
    ...readdirSync(join(root, 'native'))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `native/${name}`),
  ];
}

/** @param {string} root */
function cxxFiles(root) {
  return filesUnder(root, 'native/src', /\.(cc|c|h)$/);
}

/** @param {string} root @param {string} folder @param {RegExp} wanted */
function filesUnder(root, folder, wanted) {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => wanted.test(name))
    .map((name) => `${folder}/${name}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const findings = wireStructureFindings(repository);
  for (const finding of findings) process.stdout.write(`${formatFinding(finding)}\n`);
  if (findings.length > 0) process.exitCode = 1;
}
