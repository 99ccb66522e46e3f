import type { Ownership } from '@drover/protocol';
import type { AgentParts } from '../host-agent.js';
import type { OwnershipEntry } from '../journal/states.js';

/** What the journal says of a migration, in both roles; nulls for one that it never met. */
export async function readOwnership({ journal }: AgentParts, migrationId: string): Promise<Ownership> {
  const said = (entry: OwnershipEntry | null) =>
    entry && { instanceId: entry.instanceId, state: entry.state, epoch: String(entry.epoch) };
  return {
    source: said(journal.find('source', migrationId)),
    destination: said(journal.find('destination', migrationId)),
  };
}
