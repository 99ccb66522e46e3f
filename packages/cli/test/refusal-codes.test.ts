import { destinationErrors } from '@drover/destination-agent';
import { hostAgentErrors } from '@drover/host-agent';
import { protocolErrors } from '@drover/protocol';
import { sourceErrors } from '@drover/source-agent';
import { type ErrorDefinition, refusalCodes, typesErrors } from '@drover/types';
import { vmmErrors } from '@drover/vmm';
import { describe, expect, it } from 'vitest';
import { mishaps } from '../src/migration/refusal.js';

/** Every code that a migration can end with. */
const codes: Readonly<Record<string, ErrorDefinition>> = {
  ...typesErrors.definitions,
  ...protocolErrors.definitions,
  ...vmmErrors.definitions,
  ...sourceErrors.definitions,
  ...destinationErrors.definitions,
  ...hostAgentErrors.definitions,
};

/** Statuses from 500 on of what is a "no" all the same: this host cannot have this guest. */
const refusalsFrom500 = [
  'device-states-unknown',
  'machine-refused',
  'machine-start-failed',
  'machine-unusable',
  'memory-insufficient',
  'qemu-start-failed',
  'qemu-unusable',
  'qmp-command-failed',
  'shim-missing',
];

/** What cannot come before the first page, where a refusal ends. */
const tooLate = [
  'cloud-hypervisor-in-doubt',
  'destination-resume-failed',
  'device-state-failed',
  'digest-differs',
  'machine-load-failed',
  'machine-save-failed',
  'memory-damaged',
  'outcome-unknown',
  'pause-failed',
  'qemu-load-failed',
  'qemu-save-failed',
  'state-save-failed',
  'verify-mismatch',
  'vmm-cannot-end',
];

/** What keeps an agent from starting, or is a defect of this side; nobody refused anything. */
const notOfAMigration = [
  'instance-record-damaged',
  'journal-damaged',
  'journal-missing',
  'journal-of-another-host',
  'journal-version-unknown',
  'listen-failed',
  'message-unsendable',
  'run-directory-unusable',
  'state-directory-unusable',
];

describe('the codes that tell a mishap from a refusal', () => {
  it('are all in the error tables, so that none is left behind when a code changes', () => {
    expect([...mishaps].filter((code) => code !== 'internal' && !(code in codes))).toEqual([]);
    expect([...refusalsFrom500, ...tooLate, ...notOfAMigration].filter((code) => !(code in codes))).toEqual(
      [],
    );
  });

  it('judge every code that is nobody’s "no" by its status', () => {
    const unjudged = Object.entries(codes)
      .filter(([code, { status }]) => status >= 500 && !mishaps.has(code))
      .map(([code]) => code);
    expect(unjudged.toSorted()).toEqual([...refusalsFrom500, ...tooLate, ...notOfAMigration].toSorted());
  });

  it('count what the guest did by itself as a mishap, and a side that breaks the rules', () => {
    const below500 = [...mishaps].filter((code) => (codes[code]?.status ?? 500) < 500);
    expect(below500.toSorted()).toEqual(['guest-ended', 'guest-was-reset', 'source-misbehaved']);
  });
});

describe('the codes with which drover compat refuses', () => {
  it('are those that the migration itself would end with', () => {
    expect(refusalCodes.filter((code) => !(code in codes))).toEqual([]);
  });
});
