/**
 * Runs the matrix of faults:
 *
 *   node e2e/faults/main.mjs [--driver qemu|machine] [--phase NAME,…] [--fault NAME,…] [--minutes N] [--page] [--again] [--logs]
 *
 * Names may be parts of names. A run of everything writes docs/faults.md, and so does any other with `--page`: the page says what was run and which cells broke
 * a rule. Such runs go on where earlier ones on the same build stopped; `--again` begins anew. After `--minutes` no further cell is begun. `--logs` prints the
 * agents' logs of a cell that broke a rule.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildDigest } from './build-digest.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
/** A cell waits as much as it works: so many go side by side on a machine with two processors without being in each other's way. */
const PROCESSES = 2;
/** The rows' names; plain Node cannot import them. */
const PHASES = [
  ...readFileSync(join(here, 'phases.ts'), 'utf8').matchAll(/^ +(?:\{ )?name: '([a-z-]+)'/gm),
].map(([, name = '']) => name);

const { values } = parseArgs({
  options: {
    driver: { type: 'string' },
    phase: { type: 'string' },
    fault: { type: 'string' },
    minutes: { type: 'string' },
    page: { type: 'boolean', default: false },
    again: { type: 'boolean', default: false },
    logs: { type: 'boolean', default: false },
  },
});
const unused = 'the matrix of faults does without';
const environment = { ...process.env, DROVER_E2E_NO_LINUX: unused, DROVER_E2E_NO_BUILDS: unused };
if (values.fault !== undefined) environment.DROVER_E2E_FAULTS_FAULT = values.fault;
if (values.logs) environment.DROVER_E2E_FAULTS_LOGS = '1';
if (values.minutes !== undefined) {
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Error(`--minutes is a number above 0, not ${values.minutes}`);
  environment.DROVER_E2E_FAULTS_UNTIL = String(Date.now() + minutes * 60_000);
}
const words = values.phase?.split(',') ?? [''];
const phases = PHASES.filter((name) => words.some((word) => name.includes(word)));
if (phases.length === 0)
  throw new Error(`no phase is called ${values.phase}; there are ${PHASES.join(', ')}`);
const drivers = values.driver?.split(',') ?? ['qemu', 'machine'];
const lanes = Math.min(phases.length, Math.max(1, PROCESSES / drivers.length));
const parts = drivers.flatMap((driver) =>
  Array.from({ length: lanes }, (_, lane) => ({
    driver,
    phase: phases.filter((_name, index) => index % lanes === lane).join(),
  })),
);
const isWhole = [values.phase, values.driver, values.fault].every((name) => name === undefined);
if (isWhole || values.page) {
  const all = join(root, '.drover', 'faults');
  const folder = join(all, buildDigest(root));
  if (values.again) rmSync(all, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  environment.DROVER_E2E_FAULTS_KEPT = folder;
  environment.DROVER_E2E_FAULTS_RUN = String(Date.now());
  environment.DROVER_E2E_FAULTS_PARTS = String(parts.length);
}

/** @param {{ driver: string, phase: string }} part */
function run({ driver, phase }) {
  const child = spawn(
    process.execPath,
    [join(here, '..', 'main.mjs'), '--config', join('faults', 'vitest.config.ts')],
    {
      env: { ...environment, DROVER_E2E_FAULTS_DRIVER: driver, DROVER_E2E_FAULTS_PHASE: phase },
      stdio: 'inherit',
    },
  );
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

// An interrupt ends the tests, which have the same terminal; this process stays for their ends.
process.on('SIGINT', () => {});
const codes = await Promise.all(parts.map(run));
process.exitCode = Math.max(...codes);
