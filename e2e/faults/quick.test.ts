/** A spread over the matrix for every day: each phase of the handover once, each kind of fault once, both drivers. */
import { afterAll, describe, expect, it } from 'vitest';
import { namespacesMissing } from '../harness/two-hosts.js';
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

describe.each(['qemu', 'machine'] as const)('a fault in a migration with %s', (driver) => {
  const why =
    namespacesMissing === null
      ? driver === 'machine'
        ? machineMissing
        : null
      : `no namespaces: ${namespacesMissing}`;
  const field = new Field(driver);
  afterAll(() => field.close());

  it.skipIf(why !== null).each<QuickCell>([...CELLS[driver]])(
    `${why === null ? '' : `(skipped: ${why}) `}at "%s": %s (R1, R2, R3, R4, R5, R11, R12)`,
    async (phaseName, faultName, guest) => {
      const phase = PHASES.find(({ name }) => name === phaseName);
      const fault = FAULTS.find(({ name }) => name === faultName);
      if (!phase || !fault) throw new Error('there is no such cell');
      const outcome = await field.run(phase, fault);
      if (guest !== null) expect(outcome).toMatchObject({ guest });
    },
    120_000,
  );
});
