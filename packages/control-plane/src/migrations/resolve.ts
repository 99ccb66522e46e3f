/**
 * An operator's word on a migration in doubt: passed on to the agent that can act on it, and only where the other host is declared lost. What
 * comes of it the saga learns from that agent's journal, as of any other migration.
 */
import type { ResolveMigrationBodyV3 } from '@drover/protocol';
import { controlPlaneErrors } from '../errors.js';
import { findHost } from '../hosts/host-row.js';
import type { Database } from '../store/database.js';
import type { AgentDirectory } from './agents.js';
import type { MigrationRecord } from './records.js';

export interface Resolution {
  readonly decision: ResolveMigrationBodyV3['decision'];
  /** Id or name. */
  readonly lostHost: string;
  readonly reason: string;
}

/** Whose decision it is: the source's, or the destination's. */
const DECIDES: Readonly<Record<Resolution['decision'], 'source' | 'destination'>> = {
  'take-back': 'source',
  'take-over': 'destination',
  'give-up': 'destination',
};

/** Errors: `migration-not-in-doubt`, `host-not-found`, `host-not-lost`, `host-unreachable`; what the agent answers. */
export async function resolveMigration(
  database: Database,
  agents: AgentDirectory,
  migration: MigrationRecord,
  { decision, lostHost, reason }: Resolution,
): Promise<void> {
  const { id, state, steps, sourceId, destinationId } = migration;
  if (state !== 'in-doubt' || steps.move.state !== 'running' || destinationId === null) {
    throw controlPlaneErrors.error(
      'migration-not-in-doubt',
      `Migration ${id} is ${state}, and only one in doubt is decided by hand.`,
    );
  }
  const lost = await database.run((db) => findHost(db, lostHost));
  const [deciding, other] =
    DECIDES[decision] === 'source' ? [sourceId, destinationId] : [destinationId, sourceId];
  if (lost.id !== other || lost.state !== 'lost') {
    const why = lost.id === other ? `is ${lost.state}, not lost` : `is not the other host of ${decision}`;
    throw controlPlaneErrors.error(
      'host-not-lost',
      `Host ${lost.name} ${why}; migration ${id} is decided by ${decision} only when the ${
        DECIDES[decision] === 'source' ? 'destination' : 'source'
      } is declared lost.`,
    );
  }
  const agent = await agents.agentOf(deciding);
  if (agent === null) {
    throw controlPlaneErrors.error(
      'host-unreachable',
      `The host that would have to carry out ${decision} is no longer in the fleet.`,
    );
  }
  const agentId = agentIdOf(migration);
  const { peer } = await agent.getMigration(agentId);
  await agent.resolveMigration(agentId, { decision, lostHost: peer, reason });
}

/** An agent that is too old to be told an id has one of its own. */
function agentIdOf({ id, steps }: MigrationRecord): string {
  const result = steps.move.result as { readonly agentId?: string | null } | null;
  return result?.agentId ?? id;
}
