/**
 * What becomes of an instance after an agent's restart: the journal decides, never the look of the process (R1, R4).
 *
 * | part of a migration as | the journal's last word | fate |
 * | --- | --- | --- |
 * | none | – | ours |
 * | source | –, owned, aborted | ours: the migration was interrupted |
 * | source | relinquished | in-doubt: paused until the destination answers |
 * | source | done | moved: remove what is left |
 * | source | taken-back | ours, with the journal's epoch |
 * | destination | –, preparing, aborted | torn-down |
 * | destination | ready | waiting: paused until COMMIT or ABORT; torn-down where its VMM has not all of the guest, for then READY was never said |
 * | destination | owned | ours, with the journal's epoch |
 *
 * Whatever this table says is ours is not, when the journal knows of a higher epoch for the instance: then it is in doubt.
 */
import type { InstanceSnapshot } from '../instances/document.js';
import type { OwnershipEntry } from '../journal/states.js';

export type Fate =
  | { readonly kind: 'ours'; readonly epoch: bigint }
  | { readonly kind: 'in-doubt' | 'moved' | 'torn-down' | 'waiting' };

/**
 * @param entry the journal's last entry for the snapshot's migration and role
 * @param known the highest epoch that the journal knows to be spent for the instance
 */
export function fateOf(
  snapshot: Pick<InstanceSnapshot, 'migration' | 'epoch'>,
  entry: OwnershipEntry | null,
  known: bigint,
): Fate {
  const fate = fromJournal(snapshot, entry);
  return fate.kind === 'ours' && known > fate.epoch ? { kind: 'in-doubt' } : fate;
}

function fromJournal(
  { migration, epoch }: Pick<InstanceSnapshot, 'migration' | 'epoch'>,
  entry: OwnershipEntry | null,
): Fate {
  if (migration === null) return { kind: 'ours', epoch };
  switch (entry?.state) {
    case 'relinquished':
      return { kind: 'in-doubt' };
    case 'done':
      return { kind: 'moved' };
    case 'ready':
      return { kind: 'waiting' };
    case 'taken-back':
      return { kind: 'ours', epoch: entry.epoch };
    case 'owned':
      return { kind: 'ours', epoch: migration.role === 'source' ? epoch : entry.epoch };
    default:
      return migration.role === 'source' ? { kind: 'ours', epoch } : { kind: 'torn-down' };
  }
}
