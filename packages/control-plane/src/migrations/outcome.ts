/**
 * How a migration ended, concluded from what both agents say and never from silence (R4). Pure.
 *
 * A side's word is the last entry of its ownership journal, or where an older agent does not show that, what its view of the migration
 * amounts to. `relinquished` at the source is the handover: before it the guest is the source's, after it only the destination's
 * journal can tell.
 *
 * | source | destination | verdict |
 * | --- | --- | --- |
 * | owned | – | moving |
 * | done | – | completed |
 * | aborted, taken-back | – | stays |
 * | relinquished | owned | completed |
 * | relinquished | anything else | in-doubt: the source asks by itself, or an operator decides |
 * | nothing of it, and nothing came of it | nothing, aborted | never-began |
 * | nothing of it, silent, lost | owned | completed |
 * | silent, lost | aborted | stays |
 * | lost | nothing | stays |
 * | silent, lost | ready | in-doubt |
 * | every other | | unknown: ask again |
 *
 * `stays` with a lost source says that the guest did not move, not that it lives.
 */
import type { MigrationViewV3 } from '@drover/protocol';
import type { ErrorBody, MigrationReport } from '@drover/types';

export type SourceEntry = 'owned' | 'relinquished' | 'done' | 'taken-back' | 'aborted';
export type DestinationEntry = 'preparing' | 'ready' | 'owned' | 'aborted';

/** What one side answered. */
export type Word<Entry> =
  /** `entry` null: it knows nothing of this migration. */
  | { readonly kind: 'answered'; readonly entry: Entry | null; readonly view: MigrationViewV3 | null }
  | { readonly kind: 'silent'; readonly error: ErrorBody }
  | { readonly kind: 'lost' }
  /** It need not be asked: the other side's word is enough. */
  | { readonly kind: 'not-asked' };

export type Verdict =
  | { readonly kind: 'moving' | 'in-doubt' | 'unknown' | 'never-began' }
  | { readonly kind: 'completed'; readonly report: MigrationReport | null }
  /** The guest did not move. `cancelled`: because it was asked not to. */
  | { readonly kind: 'stays'; readonly cancelled: boolean; readonly error: ErrorBody | null };

/** True where only the destination can say more. */
export function needsDestination(source: Word<SourceEntry>): boolean {
  return source.kind !== 'answered' || source.entry === null || source.entry === 'relinquished';
}

export function conclude(source: Word<SourceEntry>, destination: Word<DestinationEntry>): Verdict {
  const [here, there] = [entryOf(source), entryOf(destination)];
  if (here === 'owned') return { kind: 'moving' };
  if (here === 'done') return { kind: 'completed', report: reportOf(source) };
  if (here === 'aborted' || here === 'taken-back') return stays(source);
  if (there === 'owned') return { kind: 'completed', report: reportOf(source) ?? reportOf(destination) };
  if (here === 'relinquished') return { kind: 'in-doubt' };
  if (source.kind === 'answered') {
    return destination.kind === 'answered' && (there === null || there === 'aborted')
      ? { kind: 'never-began' }
      : { kind: 'unknown' };
  }
  if (there === 'aborted') return stays(destination);
  if (there === 'ready') return { kind: 'in-doubt' };
  if (source.kind === 'lost' && destination.kind === 'answered' && there === null) return stays(destination);
  return { kind: 'unknown' };
}

/** What a view amounts to in the source's journal, for agents that do not show it. */
export function sourceEntryOf({ state, phase }: MigrationViewV3): SourceEntry {
  if (state === 'running') return 'owned';
  if (state === 'in-doubt') return 'relinquished';
  if (state === 'completed') return 'done';
  // Ended without success behind the handover: the journal said that it may go on here.
  return phase === 'handover' ? 'taken-back' : 'aborted';
}

/** The same of a destination: while it runs nobody can tell how far it is, and READY is what must be reckoned with. */
export function destinationEntryOf({ state }: MigrationViewV3): DestinationEntry {
  if (state === 'completed') return 'owned';
  return state === 'running' || state === 'in-doubt' ? 'ready' : 'aborted';
}

function entryOf<Entry>(word: Word<Entry>): Entry | null {
  return word.kind === 'answered' ? word.entry : null;
}

function reportOf(word: Word<unknown>): MigrationReport | null {
  return word.kind === 'answered' ? (word.view?.report ?? null) : null;
}

function stays(word: Word<unknown>): Verdict {
  const view = word.kind === 'answered' ? word.view : null;
  return { kind: 'stays', cancelled: view?.state === 'cancelled', error: view?.error ?? null };
}
