/**
 * A spread over the matrix for every day: each phase of the handover once, each kind of fault once, both drivers. The drivers' cells go side by side, each driver
 * on hosts of its own, for a cell waits as much as it works; the tests hear one after the other how theirs ended.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { namespacesMissing } from '../harness/two-hosts.js';
import type { CellOutcome } from './cell.js';
import { FAULTS } from './faults.js';
import { type Driver, Field } from './field.js';
import { machineMissing } from './missing.js';
import { PHASES, type PhaseName } from './phases.js';

/** Phase, fault, and where the guest must then be; null where it depends on the moment. */
type QuickCell = readonly [PhaseName, string, 'moved' | 'stayed' | null];

const CELLS: Readonly<Record<Driver, readonly QuickCell[]>> = {
  qemu: [
    ['rounds', 'destination-agent-killed', 'stayed'],
    ['paused', 'source-agent-killed', 'stayed'],
    ['ready', 'link-cut', null],
    ['handover', 'source-disk-full', 'stayed'],
    ['relinquished', 'source-agent-killed', 'moved'],
    ['commit', 'destination-vmm-killed', null],
    ['owned', 'destination-agent-killed', 'moved'],
    ['running', 'source-agent-killed', 'moved'],
  ],
  machine: [
    ['memory', 'source-agent-killed', 'stayed'],
    ['relinquished', 'destination-vmm-killed', 'stayed'],
    ['owned', 'destination-agent-killed', 'moved'],
  ],
};

const DRIVERS = ['qemu', 'machine'] as const;
/** Why a driver's cells cannot run here; null when they can. */
const why = (driver: Driver): string | null => {
  if (namespacesMissing !== null) return `no namespaces: ${namespacesMissing}`;
  return driver === 'machine' ? machineMissing : null;
};
const lanes = DRIVERS.filter((driver) => why(driver) === null).map((driver) => ({
  driver,
  field: new Field(driver),
}));
const ends = new Map<QuickCell, Promise<CellOutcome>>();
let isOver = false;

function run(field: Field, [phaseName, faultName]: QuickCell): Promise<CellOutcome> {
  const phase = PHASES.find(({ name }) => name === phaseName);
  const fault = FAULTS.find(({ name }) => name === faultName);
  if (!phase || !fault) throw new Error('there is no such cell');
  if (isOver) throw new Error('the tests are over');
  return field.run(phase, fault);
}

beforeAll(() => {
  for (const { driver, field } of lanes) {
    let before: Promise<unknown> = Promise.resolve();
    for (const cell of CELLS[driver]) {
      const end = before.then(() => run(field, cell));
      ends.set(cell, end);
      before = end.catch(() => {});
    }
  }
});

afterAll(async () => {
  isOver = true;
  await Promise.allSettled(ends.values());
  await Promise.all(lanes.map(({ field }) => field.close()));
});

describe.each(DRIVERS)('a fault in a migration with %s', (driver) => {
  const missing = why(driver);
  it.skipIf(missing !== null).each(CELLS[driver].map((cell) => [...cell, cell] as const))(
    `${missing === null ? '' : `(skipped: ${missing}) `}at "%s": %s (R1, R2, R3, R4, R5, R11, R12)`,
    async (_phase, _fault, guest, cell) => {
      const outcome = await ends.get(cell);
      expect(outcome).toBeDefined();
      if (guest !== null) expect(outcome).toMatchObject({ guest });
    },
    120_000,
  );
});
