/**
 * Runs the matrix of faults:
 *
 *   node e2e/faults/main.mjs [--driver qemu|machine] [--phase NAME,…] [--fault NAME,…] [--minutes N] [--page] [--logs]
 *
 * Names may be parts of names. A run of everything writes docs/faults.md, and so does any other with `--page`: the page says what was run and which cells broke
 * a rule. After `--minutes` no further cell is begun. `--logs` prints the agents' logs of a cell that broke a rule.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    driver: { type: 'string' },
    phase: { type: 'string' },
    fault: { type: 'string' },
    minutes: { type: 'string' },
    page: { type: 'boolean', default: false },
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
/** Phases of each process: a cell waits more than it works, so that several go side by side. */
const halves = [
  'making,prepared,rounds,paused,last-round,memory,loaded',
  'ready,handover,relinquished,commit,owned,resumed,running',
];
const drivers = values.driver?.split(',') ?? ['qemu', 'machine'];
const parts = drivers.flatMap((driver) =>
  (values.phase ? [values.phase] : halves).map((phase) => ({ driver, phase })),
);
const folder = mkdtempSync(join(tmpdir(), 'drover-faults-'));
const isWhole = [values.phase, values.driver, values.fault].every((name) => name === undefined);
if (isWhole || values.page) {
  environment.DROVER_E2E_FAULTS_RUN = folder;
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

// An interrupt ends the tests, which have the same terminal; this process stays to clean up after them.
process.on('SIGINT', () => {});
try {
  const codes = await Promise.all(parts.map(run));
  process.exitCode = Math.max(...codes);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
