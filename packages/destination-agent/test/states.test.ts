import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SESSION_EVENTS, SESSION_STATES, SESSION_STEPS, type SessionState, step } from '../src/states.js';

/** The table as the doc comment prints it, one line a state, event and next state. */
function printedTable(): string[] {
  const source = readFileSync(new URL('../src/states.ts', import.meta.url), 'utf8');
  const rows = [...source.matchAll(/^ \* \| ([a-z, ]+) \| ([a-z, -]+) \| ([a-z]+) \|$/gm)];
  return rows
    .filter(([, state]) => state !== 'state')
    .flatMap(([, states = '', events = '', next]) =>
      states.split(', ').flatMap((state) => events.split(', ').map((event) => `${state} ${event} ${next}`)),
    )
    .sort();
}

describe('the steps of an incoming migration', () => {
  it('are the ones that the table in the comment shows', () => {
    const inCode = SESSION_STATES.flatMap((state) =>
      SESSION_EVENTS.flatMap((event) => {
        const next = step(state, event);
        return next === null ? [] : [`${state} ${event} ${next}`];
      }),
    );
    expect(printedTable()).toEqual(inCode.sort());
  });

  it('lead to OWNED only from READY, by a COMMIT, through the journal (R4)', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...SESSION_EVENTS), { maxLength: 60 }), (events) => {
        const path: [SessionState, string, SessionState][] = [];
        let state: SessionState = 'preparing';
        for (const event of events) {
          const next: SessionState | null = step(state, event);
          if (next === null) continue;
          path.push([state, event, next]);
          state = next;
        }
        const owning = path.findIndex(([, , next]) => next === 'owned');
        if (owning === -1) return;
        expect(path[owning]).toEqual(['committing', 'journaled', 'owned']);
        const before = path.slice(0, owning).map(([from, event]) => `${from} ${event}`);
        expect(before).toContain('ready commit');
        expect(path.slice(owning).every(([, , next]) => next === 'owned')).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  it('never leave READY because the source is gone (R4)', () => {
    expect(step('ready', 'control-lost')).toBe('ready');
    expect(step('committing', 'control-lost')).toBe('committing');
  });

  it('tear down on any trouble before READY, whoever says so', () => {
    for (const state of ['preparing', 'receiving', 'loading', 'verifying'] as const) {
      for (const event of ['abort', 'control-lost', 'failed'] as const)
        expect(step(state, event)).toBe('aborting');
    }
  });

  it('do not let an ABORT undo a COMMIT, nor a COMMIT an ABORT', () => {
    expect([step('committing', 'abort'), step('owned', 'abort')]).toEqual([null, null]);
    for (const state of ['withdrawing', 'aborting', 'aborted'] as const)
      expect(step(state, 'commit')).toBeNull();
  });

  it('know every state and end in two of them', () => {
    expect(Object.keys(SESSION_STEPS)).toEqual([...SESSION_STATES]);
    const ends = SESSION_STATES.filter((state) =>
      Object.values(SESSION_STEPS[state]).every((next) => next === state),
    );
    expect(ends).toEqual(['owned', 'aborted']);
  });
});
