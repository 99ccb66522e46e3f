/** The whole matrix, or what its command picks of it; `main.mjs` here runs it. */
import { afterAll, describe, it } from 'vitest';
import { namespacesMissing } from '../harness/two-hosts.js';
import type { CellOutcome } from './cell.js';
import { FAULTS } from './faults.js';
import { DRIVERS, type Driver, Field } from './field.js';
import { machineMissing } from './missing.js';
import { type MatrixRow, writeMatrix } from './page.js';
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

const drivers = picked(
  DRIVERS.map((name) => ({ name })),
  'DROVER_E2E_FAULTS_DRIVER',
).map(({ name }) => name);
const rows: MatrixRow[] = [];
const startedAt = performance.now();

describe.each(drivers)('with %s', (driver) => {
  const why = missing(driver);
  const field = new Field(driver);
  afterAll(() => field.close());
  for (const phase of picked(PHASES, 'DROVER_E2E_FAULTS_PHASE')) {
    for (const fault of picked(FAULTS, 'DROVER_E2E_FAULTS_FAULT')) {
      it.skipIf(why !== null)(
        `${phase.name}: ${fault.name}${why === null ? '' : ` (skipped: ${why})`} (R1, R2, R3, R4, R5, R11, R12)`,
        async () => {
          let outcome: CellOutcome | null = null;
          try {
            outcome = await field.run(phase, fault);
          } finally {
            rows.push({ driver, phase: phase.name, fault: fault.name, outcome });
          }
        },
        120_000,
      );
    }
  }
});

afterAll(() => writeMatrix({ rows, tookMs: performance.now() - startedAt }));
