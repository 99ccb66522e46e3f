/**
 * Ownership as data: who may run an instance, for each migration and role that this host took part in. The source begins
 * with the epoch e that it holds; the destination's epoch is e + 1 throughout.
 *
 * | role | from | to | epoch | what it permits |
 * | --- | --- | --- | --- | --- |
 * | source | – | owned | e | run the guest while it is copied |
 * | source | owned | aborted | same | go on running it |
 * | source | owned | relinquished | one more | nothing: only the destination may run it (R1) |
 * | source | relinquished | done | same | remove the VMM |
 * | source | relinquished | taken-back | greater | run it again: the destination's journal said that it never will |
 * | destination | – | preparing | new | make a paused VMM |
 * | destination | – | aborted | any | nothing, and this migration can never begin here |
 * | destination | preparing | ready | same | wait for COMMIT or ABORT, paused, for as long as it takes (R4) |
 * | destination | preparing | aborted | same | remove the VMM |
 * | destination | ready | aborted | same | remove the VMM |
 * | destination | ready | owned | same | run the guest |
 *
 * Every other step is refused. The same step again is accepted and changes nothing.
 */

export const OWNERSHIP_STATES = {
  source: ['owned', 'relinquished', 'done', 'taken-back', 'aborted'],
  destination: ['preparing', 'ready', 'owned', 'aborted'],
} as const;

export type Role = keyof typeof OWNERSHIP_STATES;
export type OwnershipState = (typeof OWNERSHIP_STATES)[Role][number];

/** One step, as asked for and as it stands in the journal. */
export interface OwnershipEntry {
  readonly role: Role;
  readonly migrationId: string;
  readonly instanceId: string;
  readonly state: OwnershipState;
  readonly epoch: bigint;
}

/** How a step's epoch must stand to the entry before it; for a first entry, to what the host knows of the instance. */
type EpochRule = 'any' | 'not-below-known' | 'above-known' | 'same' | 'one-more' | 'greater';

interface Step {
  readonly role: Role;
  readonly from: OwnershipState | null;
  readonly to: OwnershipState;
  readonly epoch: EpochRule;
}

export const OWNERSHIP_STEPS: readonly Step[] = [
  { role: 'source', from: null, to: 'owned', epoch: 'not-below-known' },
  { role: 'source', from: 'owned', to: 'aborted', epoch: 'same' },
  { role: 'source', from: 'owned', to: 'relinquished', epoch: 'one-more' },
  { role: 'source', from: 'relinquished', to: 'done', epoch: 'same' },
  { role: 'source', from: 'relinquished', to: 'taken-back', epoch: 'greater' },
  { role: 'destination', from: null, to: 'preparing', epoch: 'above-known' },
  { role: 'destination', from: null, to: 'aborted', epoch: 'any' },
  { role: 'destination', from: 'preparing', to: 'ready', epoch: 'same' },
  { role: 'destination', from: 'preparing', to: 'aborted', epoch: 'same' },
  { role: 'destination', from: 'ready', to: 'aborted', epoch: 'same' },
  { role: 'destination', from: 'ready', to: 'owned', epoch: 'same' },
];

/** True when a migration asks nothing more of this host. */
export function isFinished({ role, state }: OwnershipEntry): boolean {
  return !OWNERSHIP_STEPS.some((each) => each.role === role && each.from === state);
}

/** True when the entry says that its epoch was held or given away, so that no later owner may hold it again. */
export function spendsEpoch({ role, state }: OwnershipEntry): boolean {
  return role === 'source' || state === 'owned';
}

export type StepOutcome =
  | { readonly kind: 'step' }
  | { readonly kind: 'already' }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Whether `wanted` may follow.
 *
 * @param current the last entry of the same migration and role; null before the first
 * @param known the highest epoch that this host knows to be spent for the instance; 0 for an instance it never moved
 */
export function step(current: OwnershipEntry | null, wanted: OwnershipEntry, known: bigint): StepOutcome {
  if (current !== null && current.instanceId !== wanted.instanceId) {
    return refused(`the migration belongs to instance ${current.instanceId}, not ${wanted.instanceId}`);
  }
  if (current !== null && current.state === wanted.state) {
    return current.epoch === wanted.epoch
      ? { kind: 'already' }
      : refused(`${wanted.state} is written with epoch ${current.epoch}, not ${wanted.epoch}`);
  }
  const from = current?.state ?? null;
  const allowed = OWNERSHIP_STEPS.find(
    (each) => each.role === wanted.role && each.from === from && each.to === wanted.state,
  );
  if (!allowed)
    return refused(`${wanted.role} ${from ?? 'without a record'} does not lead to ${wanted.state}`);
  if (epochHolds(allowed.epoch, current?.epoch ?? known, wanted.epoch)) return { kind: 'step' };
  return refused(
    current === null
      ? `epoch ${wanted.epoch} is out of date, this host knows of epoch ${known}`
      : `${wanted.state} with epoch ${wanted.epoch} does not follow ${current.state} with ${current.epoch}`,
  );
}

function epochHolds(rule: EpochRule, before: bigint, after: bigint): boolean {
  switch (rule) {
    case 'any':
      return true;
    case 'same':
      return after === before;
    case 'one-more':
      return after === before + 1n;
    case 'not-below-known':
      return after >= before;
    case 'above-known':
    case 'greater':
      return after > before;
  }
}

function refused(reason: string): StepOutcome {
  return { kind: 'refused', reason };
}
