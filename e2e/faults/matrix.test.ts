/** The whole matrix, or what its command picks of it; `main.mjs` here runs it. */
import { afterAll, describe, it } from 'vitest';
import { namespacesMissing } from '../harness/two-hosts.js';
import { FAULTS } from './faults.js';
import { DRIVERS, type Driver, Field } from './field.js';
import { machineMissing } from './missing.js';
import { keepRows, keptRows, type MatrixRow, writeMatrix } from './page.js';
import { PHASES } from './phases.js';

/** Names that the command picked, or all. */
function picked<T extends { readonly name: string }>(all: readonly T[], variable: string): readonly T[] {
  const wanted = process.env[variable]?.split(',');
  return wanted === undefined ? all : all.filter(({ name }) => wanted.some((word) => name.includes(word)));
}

/** Why a driver cannot be tried here; null when it can. */
function missing(driver: Driver): string | null {
  if (namespacesMissing !== null) return `no link of their own for the hosts: ${namespacesMissing}`;
  return driver === 'machine' ? machineMissing : null;
}

type Place = Pick<MatrixRow, 'driver' | 'phase' | 'fault'>;

function isSame(one: Place, other: Place): boolean {
  return one.driver === other.driver && one.phase === other.phase && one.fault === other.fault;
}

/** The first line of what did not hold, without what differs from run to run and fit for a table. */
function sentenceOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…')
    .replaceAll('|', '\\|')
    .slice(0, 300);
}

const drivers = picked(
  DRIVERS.map((name) => ({ name })),
  'DROVER_E2E_FAULTS_DRIVER',
).map(({ name }) => name);
/** When no further cell is begun, as the clock says, ms; none when the run has all the time that it needs. */
const until = Number(process.env.DROVER_E2E_FAULTS_UNTIL ?? Number.POSITIVE_INFINITY);
const kept = keptRows();
const rows: MatrixRow[] = [];
const startedAt = performance.now();
const soFar = (ended: boolean) => ({ rows, tookMs: performance.now() - startedAt, ended });

describe.each(drivers)('with %s', (driver) => {
  const why = missing(driver);
  const field = new Field(driver);
  afterAll(() => field.close());
  for (const phase of picked(PHASES, 'DROVER_E2E_FAULTS_PHASE')) {
    for (const fault of picked(FAULTS, 'DROVER_E2E_FAULTS_FAULT')) {
      it.skipIf(why !== null)(
        `${phase.name}: ${fault.name}${why === null ? '' : ` (skipped: ${why})`} (R1, R2, R3, R4, R5, R11, R12)`,
        async ({ skip }) => {
          const cell = { driver, phase: phase.name, fault: fault.name };
          if (kept.some((row) => isSame(row, cell))) skip('an earlier run on this build has it');
          if (Date.now() > until) skip('the time of this run is over');
          try {
            rows.push({ ...cell, outcome: await field.run(phase, fault), broke: null });
          } catch (error) {
            rows.push({ ...cell, outcome: null, broke: sentenceOf(error) });
            throw error;
          } finally {
            keepRows(soFar(false));
          }
        },
        120_000,
      );
    }
  }
});

afterAll(() => writeMatrix(soFar(true)));
