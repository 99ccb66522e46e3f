/**
 * Runs the matrix of faults:
 *
 *   node e2e/faults/main.mjs [--driver qemu|machine] [--phase NAME,…] [--fault NAME,…] [--logs]
 *
 * Names may be parts of names. A run of everything that broke no rule writes docs/faults.md; `--logs` prints the agents' logs of a cell that did.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    driver: { type: 'string' },
    phase: { type: 'string' },
    fault: { type: 'string' },
    logs: { type: 'boolean', default: false },
  },
});
const unused = 'the matrix of faults does without';
const environment = { ...process.env, DROVER_E2E_NO_LINUX: unused, DROVER_E2E_NO_BUILDS: unused };
if (values.driver !== undefined) environment.DROVER_E2E_FAULTS_DRIVER = values.driver;
if (values.phase !== undefined) environment.DROVER_E2E_FAULTS_PHASE = values.phase;
if (values.fault !== undefined) environment.DROVER_E2E_FAULTS_FAULT = values.fault;
if (values.logs) environment.DROVER_E2E_FAULTS_LOGS = '1';
const isWhole = values.driver === undefined && values.phase === undefined && values.fault === undefined;
if (isWhole) environment.DROVER_E2E_FAULTS_PAGE = '1';
const { status } = spawnSync(
  process.execPath,
  [join(here, '..', 'main.mjs'), '--config', join('faults', 'vitest.config.ts')],
  { env: environment, stdio: 'inherit' },
);
process.exitCode = status ?? 1;
