import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Build } from '../harness/build.js';
import type { BuildFolders } from './lay-out-builds.mjs';

const laidOut = process.env.DROVER_E2E_BUILDS;

/** Why there are no builds to run side by side; null when there are. */
export const buildsMissing: string | null =
  laidOut !== undefined
    ? null
    : (process.env.DROVER_E2E_NO_BUILDS ?? 'run the suites through e2e/main.mjs, which lays out the builds');

/** For the title of what is skipped without builds. */
export const orWhyNot = buildsMissing === null ? '' : ` (${buildsMissing})`;

export interface ReleaseBuild extends Build {
  /** Its top folder. */
  readonly folder: string;
}

const folders = laidOut === undefined ? null : (JSON.parse(laidOut) as BuildFolders);

function build(key: keyof BuildFolders): ReleaseBuild {
  const folder = folders?.[key] ?? '';
  return { folder, command: [process.execPath, join(folder, 'bin', 'drover')] };
}

/** The newest release that is kept, this checkout packed as a release, and one from a later time that speaks nothing known today. */
export const builds = {
  old: build('old'),
  new: build('new'),
  tooNew: build('tooNew'),
};

/** The newest peer protocol and the newest instance spec that two builds share. */
export async function newestShared(
  a: ReleaseBuild,
  b: ReleaseBuild,
): Promise<{ protocolVersion: number; specVersion: number }> {
  const [ours, theirs] = await Promise.all([windowsOf(a), windowsOf(b)]);
  const newest = (mine: readonly number[], others: readonly number[]) =>
    Math.max(...mine.filter((version) => others.includes(version)));
  return {
    protocolVersion: newest(ours.peer, theirs.peer),
    specVersion: newest(ours.spec, theirs.spec),
  };
}

/** The versions that a build speaks, as its own code lists them. */
export async function windowsOf({ folder }: ReleaseBuild): Promise<{ peer: number[]; spec: number[] }> {
  const packageOf = (name: string) =>
    import(pathToFileURL(join(folder, 'node_modules', '@drover', name, 'dist', 'index.js')).href);
  const [protocol, types] = await Promise.all([packageOf('protocol'), packageOf('types')]);
  return { peer: [...protocol.PEER_VERSIONS], spec: [...types.INSTANCE_SPEC_VERSIONS] };
}
