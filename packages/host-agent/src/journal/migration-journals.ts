/** The ownership journal as one migration sees it, in the form that each half asks for. */
import type { DestinationJournal } from '@drover/destination-agent';
import type { SourceJournal } from '@drover/source-agent';
import type { OwnershipJournal } from './ownership-journal.js';
import type { OwnershipState } from './states.js';

interface Parties {
  readonly migrationId: string;
  readonly instanceId: string;
}

/** The source's half. `epoch` is what the source holds; its first entry is written by the caller, before anything begins. */
export function sourceJournal(journal: OwnershipJournal, parties: Parties, epoch: bigint): SourceJournal {
  const write = (state: OwnershipState, at: bigint): Promise<void> =>
    journal.write({ role: 'source', ...parties, state, epoch: at });
  return {
    relinquish: (to) => write('relinquished', to),
    done: () => write('done', epoch + 1n),
    aborted: () => write('aborted', epoch),
    takeBack: (to) => write('taken-back', to),
    wakeDisk: () => journal.wakeDisk(),
  };
}

export function destinationJournal(journal: OwnershipJournal, parties: Parties): DestinationJournal {
  const current = () => {
    const entry = journal.find('destination', parties.migrationId);
    return entry?.instanceId === parties.instanceId ? entry : null;
  };
  const write = (state: OwnershipState, epoch: bigint): Promise<void> =>
    journal.write({ role: 'destination', ...parties, state, epoch });
  return {
    preparing: (epoch) => write('preparing', epoch),
    ready: (epoch) => write('ready', epoch),
    owned: (epoch) => write('owned', epoch),
    aborted: () => write('aborted', current()?.epoch ?? 0n),
    wakeDisk: () => journal.wakeDisk(),
    outcome() {
      const entry = current();
      if (entry === null) return { outcome: 'unknown', epoch: 0n };
      // The destination's states and the outcomes are the same four words.
      return { outcome: entry.state as 'preparing' | 'ready' | 'owned' | 'aborted', epoch: entry.epoch };
    },
  };
}
