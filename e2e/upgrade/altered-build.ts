import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { ReleaseBuild } from './builds.js';

/** One change to one compiled file of a build: what stands there, and what shall. */
export interface Edit {
  /** Package without its scope, and file below its `dist`. */
  readonly package: string;
  readonly file: string;
  readonly from: RegExp;
  readonly to: string;
}

/**
 * A build that differs from another in a few words: as a release before or after it would, or a broken one. Its files are the other's own (hard
 * links) but for those that change. It is gone when the tests of the file that calls this are done.
 */
export function alteredBuild(build: ReleaseBuild, edits: readonly Edit[]): ReleaseBuild {
  const folder = join(mkdtempSync(join(tmpdir(), 'drover-altered-')), 'build');
  afterAll(() => rmSync(join(folder, '..'), { recursive: true, force: true }));
  execFileSync('cp', ['-al', build.folder, folder]);
  for (const edit of edits) {
    const path = join(folder, 'node_modules', '@drover', edit.package, 'dist', edit.file);
    const text = readFileSync(path, 'utf8');
    if (!edit.from.test(text)) throw new Error(`${path} has nothing like ${edit.from}; see where it went`);
    // The other build keeps its file.
    rmSync(path);
    writeFileSync(path, text.replace(edit.from, edit.to));
  }
  return { folder, command: [process.execPath, join(folder, 'bin', 'drover')] };
}

/** The build says that it is of this release. */
export function ofRelease(release: string): Edit {
  return {
    package: 'types',
    file: 'release.js',
    from: /(?<=RELEASE = ')[^']+/,
    to: release,
  };
}

/** The build speaks these versions of the machine protocol, as agent and as machine. */
export function speakingToMachines(versions: readonly number[]): Edit {
  return {
    package: 'protocol',
    file: 'machine/registry.js',
    from: /(?<=MACHINE_PROTOCOL_VERSIONS = )\[[^\]]*\]/,
    to: `[${versions.join(', ')}]`,
  };
}
