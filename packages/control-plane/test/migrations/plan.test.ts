import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MIGRATION_STEPS,
  type NextAction,
  nextAction,
  type StepName,
  type StepState,
} from '../../src/migrations/plan.js';

const NAMES = MIGRATION_STEPS.map(({ name }) => name);

/** What happens to one migration: how each step ends, when a cancel is asked for, when its replica dies inside a step. */
const lives = fc.record({
  fails: fc.constantFrom<StepName | null>(null, ...NAMES),
  cancelAt: fc.nat({ max: 30 }),
  /** At these turns the action is done only halfway: the step stays `running`. */
  dies: fc.uniqueArray(fc.nat({ max: 20 }), { maxLength: 6 }),
});

interface Life {
  readonly actions: readonly NextAction[];
  readonly states: Readonly<Partial<Record<StepName, StepState>>>;
}

function live({ fails, cancelAt, dies }: { fails: StepName | null; cancelAt: number; dies: number[] }): Life {
  const states: Partial<Record<StepName, StepState>> = {};
  const actions: NextAction[] = [];
  for (let turn = 0; turn < 60; turn++) {
    const action = nextAction(states, turn >= cancelAt);
    actions.push(action);
    if (action.kind === 'end') return { actions, states };
    if (action.kind === 'cancel') states[action.step] = 'failed';
    else if (dies.includes(turn)) {
      if (action.kind === 'run') states[action.step] = 'running';
    } else if (action.kind === 'undo') states[action.step] = 'undone';
    else states[action.step] = action.step === fails ? 'failed' : 'done';
  }
  throw new Error('it does not end');
}

describe('the plan of a migration', () => {
  it('ends, whatever fails, whenever it is cancelled and wherever replicas die', () => {
    fc.assert(
      fc.property(lives, (life) => {
        const { actions, states } = live(life);
        const end = actions.at(-1);
        const all = NAMES.every((name) => states[name] === 'done');
        expect(end).toEqual({ kind: 'end', outcome: all ? 'completed' : 'failed' });
      }),
    );
  });

  it('undoes exactly what was done and has an undo, the last first, and only behind a failure', () => {
    fc.assert(
      fc.property(lives, (life) => {
        const { actions, states } = live(life);
        const undone = actions.flatMap((action) => (action.kind === 'undo' ? [action.step] : []));
        const failedAt = NAMES.findIndex((name) => states[name] === 'failed');
        const wanted =
          failedAt < 0
            ? []
            : MIGRATION_STEPS.slice(0, failedAt)
                .filter(({ undo }) => undo)
                .map(({ name }) => name)
                .toReversed();
        expect(undone.filter((step, index) => undone.indexOf(step) === index)).toEqual(wanted);
        for (const name of wanted) expect(states[name]).toBe('undone');
      }),
    );
  });

  it('never begins to move once a cancel was seen, and never fails a move that began by a cancel (R1)', () => {
    fc.assert(
      fc.property(lives, (life) => {
        let begun = false;
        for (const [turn, action] of live(life).actions.entries()) {
          const cancelled = turn >= life.cancelAt;
          if (action.kind === 'run' && action.step === 'move') {
            expect(cancelled && !begun).toBe(false);
            begun = true;
          }
          if (action.kind === 'cancel') {
            expect(begun).toBe(false);
            expect(cancelled).toBe(true);
          }
        }
      }),
    );
  });

  it('runs no step before the one before it is done, and none again that is', () => {
    fc.assert(
      fc.property(lives, (life) => {
        const { actions } = live(life);
        const order = actions.flatMap((action) =>
          action.kind === 'run' ? [NAMES.indexOf(action.step)] : [],
        );
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }),
    );
  });

  it('is the one that its doc comment prints', () => {
    const source = readFileSync(new URL('../../src/migrations/plan.ts', import.meta.url), 'utf8');
    const printed = [...source.matchAll(/^ \* \| (\w+) \| [^|]+ \| ([^|]+) \|$/gm)]
      .filter(([, name]) => name !== 'step')
      .map(([, name, undo = '']) => ({ name, undo: !/none|nothing/.test(undo) }));
    expect(printed).toEqual(MIGRATION_STEPS.map(({ name, undo }) => ({ name, undo })));
  });
});
