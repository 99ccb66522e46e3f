/**
 * A migration as a saga: what is done next, said from what is recorded and nothing else. Pure; the engine reads the rows, asks here, does it and
 * records it before it asks again. So a replica that takes over asks the same question and gets the same answer.
 *
 * | step | does | undo |
 * | --- | --- | --- |
 * | preflight | judges the destination, or ranks those that would do | nothing to undo |
 * | reserve | room at the destination, a place among the migrations, a part of the bandwidth | gives them back |
 * | prepare | both agents are there; where the destination's peers connect; which VMM leaves | nothing to undo |
 * | move | has the source move it, and learns from both journals how that ended | none: the agents undo it themselves |
 * | confirm | the VMM at the destination is the instance's | none: it describes what has happened |
 * | release | gives back what was reserved | none |
 *
 * Rules:
 * - Steps run in this order, and one that is `done` is never run again.
 * - A cancel is heeded before `move` begins by failing the step that comes next; once `move` has begun it is the agents' to heed, for
 *   only they know on which side of the handover they are (R1, R4).
 * - Behind a failed step, the done ones that have an undo are undone, last one first; then the migration has ended.
 * - `move` fails only where the agents said that the guest stays: so nothing is ever undone under a running target.
 */
import type { MigrationStep } from '@drover/protocol';

export type StepName = MigrationStep['name'];
export type StepState = MigrationStep['state'];

export interface StepDefinition {
  readonly name: StepName;
  readonly undo: boolean;
  /** Whether a cancel may stop the migration by failing this step, or the step must find out what became of it. */
  readonly cancel: 'fails-it' | 'asks-the-agents' | 'comes-too-late';
}

export const MIGRATION_STEPS: readonly StepDefinition[] = [
  { name: 'preflight', undo: false, cancel: 'fails-it' },
  { name: 'reserve', undo: true, cancel: 'fails-it' },
  { name: 'prepare', undo: false, cancel: 'fails-it' },
  { name: 'move', undo: false, cancel: 'asks-the-agents' },
  { name: 'confirm', undo: false, cancel: 'comes-too-late' },
  { name: 'release', undo: false, cancel: 'comes-too-late' },
];

export type NextAction =
  | { readonly kind: 'run'; readonly step: StepName }
  /** The cancel fails this step, which has done nothing that lasts. */
  | { readonly kind: 'cancel'; readonly step: StepName }
  | { readonly kind: 'undo'; readonly step: StepName }
  | { readonly kind: 'end'; readonly outcome: 'completed' | 'failed' };

/** `states` by step; a step that is not named waits. */
export function nextAction(
  states: Readonly<Partial<Record<StepName, StepState>>>,
  cancelRequested: boolean,
): NextAction {
  const stateOf = ({ name }: StepDefinition) => states[name] ?? 'waiting';
  if (MIGRATION_STEPS.some((step) => stateOf(step) === 'failed')) {
    const undone = MIGRATION_STEPS.findLast((step) => step.undo && stateOf(step) === 'done');
    return undone ? { kind: 'undo', step: undone.name } : { kind: 'end', outcome: 'failed' };
  }
  const next = MIGRATION_STEPS.find((step) => stateOf(step) !== 'done');
  if (next === undefined) return { kind: 'end', outcome: 'completed' };
  const begun = stateOf(next) === 'running';
  const heeded = next.cancel === 'fails-it' || (next.cancel === 'asks-the-agents' && !begun);
  return cancelRequested && heeded ? { kind: 'cancel', step: next.name } : { kind: 'run', step: next.name };
}
