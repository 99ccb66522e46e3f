import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  OWNERSHIP_STATES,
  type OwnershipEntry,
  type OwnershipState,
  type Role,
} from '../../src/journal/states.js';
import { type Fate, fateOf } from '../../src/restart/fate.js';

const id = '00000000-0000-4000-8000-000000000001';
const HELD = 4n;

function fate(role: Role, state: OwnershipState | null, epoch: bigint, known = epoch): Fate {
  const entry: OwnershipEntry | null = state && { role, migrationId: id, instanceId: id, state, epoch };
  return fateOf({ migration: { id, role }, epoch: HELD }, entry, known);
}

describe('what becomes of an instance after a restart', () => {
  it('is what the doc comment prints, for every state of the journal (R4, R11)', () => {
    const source = readFileSync(new URL('../../src/restart/fate.ts', import.meta.url), 'utf8');
    const rows = [...source.matchAll(/^ \* \| (source|destination) \| (.+?) \| ([a-z-]+)/gm)];
    const seen = new Set<string>();
    for (const [, role = '', states = '', kind] of rows) {
      for (const printed of states.split(', ')) {
        const state = printed === '–' ? null : (printed as OwnershipState);
        seen.add(`${role} ${state}`);
        expect([role, state, fate(role as Role, state, HELD).kind]).toEqual([role, state, kind]);
      }
    }
    const all = (['source', 'destination'] as const).flatMap((role) =>
      [null, ...OWNERSHIP_STATES[role]].map((state) => `${role} ${state}`),
    );
    expect([...seen].toSorted()).toEqual(all.toSorted());
  });

  it('is ours without a migration', () => {
    expect(fateOf({ migration: null, epoch: HELD }, null, 0n)).toEqual({ kind: 'ours', epoch: HELD });
  });

  it('takes the epoch from the journal where that gave a new one', () => {
    expect(fate('source', 'taken-back', 6n)).toEqual({ kind: 'ours', epoch: 6n });
    expect(fate('destination', 'owned', 5n)).toEqual({ kind: 'ours', epoch: 5n });
    expect(fate('source', 'aborted', HELD)).toEqual({ kind: 'ours', epoch: HELD });
  });

  it('is in doubt whenever the journal knows of a later owner than the record does (R1)', () => {
    expect(fateOf({ migration: null, epoch: HELD }, null, HELD + 1n).kind).toBe('in-doubt');
    expect(fate('source', 'aborted', HELD, HELD + 1n).kind).toBe('in-doubt');
  });
});
