import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  isFinished,
  OWNERSHIP_STATES,
  OWNERSHIP_STEPS,
  type OwnershipEntry,
  type OwnershipState,
  type Role,
  step,
} from '../../src/journal/states.js';

const migrationId = '00000000-0000-4000-8000-000000000001';
const instanceId = '00000000-0000-4000-8000-000000000002';
const entry = (role: Role, state: OwnershipState, epoch: bigint): OwnershipEntry => ({
  role,
  migrationId,
  instanceId,
  state,
  epoch,
});

describe('the ownership table (R4)', () => {
  it('is the one that its doc comment prints', () => {
    const source = readFileSync(new URL('../../src/journal/states.ts', import.meta.url), 'utf8');
    const printed = [...source.matchAll(/^ \* \| (source|destination) \| (\S+) \| (\S+) \|/gm)].map(
      ([, role, from, to]) => `${role} ${from === '–' ? null : from} ${to}`,
    );
    expect(printed).toEqual(OWNERSHIP_STEPS.map(({ role, from, to }) => `${role} ${from} ${to}`));
  });

  it('allows exactly its own steps, over every pair of states', () => {
    for (const role of ['source', 'destination'] as const) {
      const states: readonly OwnershipState[] = OWNERSHIP_STATES[role];
      for (const from of [null, ...states]) {
        for (const to of states) {
          if (from === to) continue;
          const listed = OWNERSHIP_STEPS.some(
            (each) => each.role === role && each.from === from && each.to === to,
          );
          const current = from === null ? null : entry(role, from, 4n);
          const outcomes = [4n, 5n, 6n].map((epoch) => step(current, entry(role, to, epoch), 3n).kind);
          expect([role, from, to, outcomes.includes('step')]).toEqual([role, from, to, listed]);
        }
      }
    }
  });

  it('never leads a source from relinquished back to running with the epoch that it gave away (R1)', () => {
    const relinquished = entry('source', 'relinquished', 5n);
    expect(step(relinquished, entry('source', 'taken-back', 5n), 5n).kind).toBe('refused');
    expect(step(relinquished, entry('source', 'taken-back', 6n), 5n).kind).toBe('step');
    expect(step(relinquished, entry('source', 'aborted', 5n), 5n).kind).toBe('refused');
    expect(step(relinquished, entry('source', 'owned', 5n), 5n).kind).toBe('refused');
  });

  it('never makes a destination the owner with another epoch than it was prepared for', () => {
    const ready = entry('destination', 'ready', 5n);
    expect(step(ready, entry('destination', 'owned', 5n), 4n).kind).toBe('step');
    for (const epoch of [4n, 6n]) {
      expect(step(ready, entry('destination', 'owned', epoch), 4n).kind).toBe('refused');
    }
  });

  it('never makes a destination the owner after it said ABORTED, which lets the source go on (R1)', () => {
    for (const state of ['preparing', 'ready', 'owned'] as const) {
      expect(step(entry('destination', 'aborted', 5n), entry('destination', state, 5n), 4n).kind).toBe(
        'refused',
      );
    }
  });

  it('refuses a migration that begins below an epoch that this host knows to be spent', () => {
    expect(step(null, entry('destination', 'preparing', 5n), 5n).kind).toBe('refused');
    expect(step(null, entry('destination', 'preparing', 6n), 5n).kind).toBe('step');
    expect(step(null, entry('source', 'owned', 4n), 5n).kind).toBe('refused');
    expect(step(null, entry('source', 'owned', 5n), 5n).kind).toBe('step');
  });

  it('takes the same step twice as done, and another epoch of it as a mistake', () => {
    const ready = entry('destination', 'ready', 5n);
    expect(step(ready, ready, 4n).kind).toBe('already');
    expect(step(ready, entry('destination', 'ready', 6n), 4n).kind).toBe('refused');
  });

  it('refuses a step for another instance than the one that the migration began with', () => {
    const other = { ...entry('destination', 'owned', 5n), instanceId: migrationId };
    expect(step(entry('destination', 'ready', 5n), other, 4n).kind).toBe('refused');
  });

  it('calls finished what has no step left', () => {
    const finished = (['source', 'destination'] as const).flatMap((role) =>
      OWNERSHIP_STATES[role]
        .filter((state) => isFinished(entry(role, state, 1n)))
        .map((state) => `${role} ${state}`),
    );
    expect(finished).toEqual([
      'source done',
      'source taken-back',
      'source aborted',
      'destination owned',
      'destination aborted',
    ]);
  });
});
