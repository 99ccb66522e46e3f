/**
 * Runs the end-to-end suites: builds the guests while there is a network, lays out the releases, then starts vitest in a private
 * network namespace, so that nothing the tests send can leave this machine and nothing they make outlives them.
 *
 *   node e2e/main.mjs [VITEST ARGUMENTS]
 *
 * Without arguments everything runs, in two lanes side by side: suites wait more than they work.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildGuests } from '../tools/guest/build.mjs';
import { layOutBuilds } from './upgrade/lay-out-builds.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..');

/** Why hosts cannot be kept apart by namespaces here; null when they can. */
function namespacesMissing() {
  if (process.getuid?.() !== 0) return 'not root';
  if (!['/sbin/ip', '/usr/sbin/ip'].some((path) => existsSync(path))) return 'iproute2 is not installed';
  const { status, stderr } = spawnSync('unshare', ['--net', 'ip', 'netns', 'list'], { encoding: 'utf8' });
  return status === 0 ? null : `unshare --net: ${stderr.trim()}`;
}

const environment = { ...process.env };
// Whoever needs neither the Linux guest nor other builds says why there are none.
if (environment.DROVER_E2E_NO_LINUX === undefined) {
  try {
    const guests = await buildGuests({
      cacheDir: join(root, '.drover', 'guests'),
      log: (line) => console.log(line),
    });
    environment.DROVER_E2E_GUESTS = JSON.stringify(guests);
  } catch (error) {
    // The suites that need the Linux guest say so one by one; those with the bare guest still run.
    environment.DROVER_E2E_NO_LINUX = error instanceof Error ? error.message : String(error);
  }
}

const why = namespacesMissing();
if (why !== null) environment.DROVER_E2E_NO_NAMESPACES = why;
const vitest = [process.execPath, join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run'];
const lane = (/** @type {string} */ name, /** @type {string[]} */ ...folders) => [
  ...folders,
  `--outputFile.json=${join(here, 'test-results', `${name}.json`)}`,
];
const given = process.argv.slice(2);
/** The arguments of each vitest; those of `npm test`, which counts the reports (tools/run/results.mjs), are about equally long. */
const runs =
  given.length > 0 ? [given] : [lane('migrate', 'migrate/'), lane('others', 'upgrade/', 'fleet/', 'faults/')];

/** @param {readonly string[]} args */
async function run(args) {
  const command = [...vitest, ...args];
  const isolated = ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...command];
  const [program = '', ...rest] = why === null ? isolated : command;
  const child = spawn(program, rest, { cwd: here, env: environment, stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  return code ?? 1;
}
// An interrupt ends the tests, which have the same terminal; this process stays to clean up after them.
process.on('SIGINT', () => {});
const folder = mkdtempSync(join(tmpdir(), 'drover-builds-'));
try {
  const laidOut =
    environment.DROVER_E2E_NO_BUILDS === undefined
      ? layOutBuilds(root, folder)
      : { missing: environment.DROVER_E2E_NO_BUILDS };
  if ('builds' in laidOut) environment.DROVER_E2E_BUILDS = JSON.stringify(laidOut.builds);
  else environment.DROVER_E2E_NO_BUILDS = laidOut.missing;
  process.exitCode = Math.max(...(await Promise.all(runs.map(run))));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
