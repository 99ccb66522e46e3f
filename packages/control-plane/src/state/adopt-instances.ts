/**
 * Instances that were made on an agent directly: the first VMM of one that nobody asked the control plane for. Its spec is asked of the agent,
 * and it is from then on an instance like all others, left as it is.
 */
import { type InstanceSpec, writeInstanceSpecForStorage } from '@drover/types';
import type { Transaction } from 'kysely';
import type { Logger } from 'pino';
import type { ChangeLog, Changes } from '../events/change-log.js';
import type { VmmView } from '../hosts/agent.js';
import type { AgentAddress, AgentPool } from '../hosts/agent-pool.js';
import type { Database } from '../store/database.js';
import type { Schema } from '../store/schema.js';
import type { VmmIndex } from './vmm-index.js';

/** Sees to it that there is an instance for each of these VMMs. */
export type AdoptInstances = (host: AgentAddress, views: readonly VmmView[]) => Promise<void>;

export interface AdoptOptions {
  readonly database: Database;
  readonly changeLog: ChangeLog;
  readonly agents: AgentPool;
  readonly index: VmmIndex;
  readonly logger: Logger;
}

export function adoptInstances({ database, changeLog, agents, index, logger }: AdoptOptions): AdoptInstances {
  return async (host, views) => {
    const candidates = new Map<string, VmmView>();
    for (const view of views) {
      if (!view.ended && !index.get(view.state.vmmId)) candidates.set(view.state.instanceId, view);
    }
    if (candidates.size === 0) return;
    const known = await database.run((db) =>
      db
        .selectFrom('instances')
        .select('id')
        .where('id', 'in', [...candidates.keys()])
        .execute(),
    );
    for (const { id } of known) candidates.delete(id);
    for (const view of candidates.values()) {
      const { instanceId, life } = view.state;
      try {
        const { spec } = await agents.ask(host, (agent, options) => agent.getInstance(instanceId, options));
        await changeLog.transaction((transaction, changes) => insert(transaction, changes, view, spec));
        logger.info({ instanceId, hostId: host.id, life }, 'found an instance that was made on its host');
      } catch (err) {
        // Its VMM is stored all the same, and the next round asks again.
        logger.warn(
          { err, instanceId, hostId: host.id },
          'the spec of an instance cannot be read from its host',
        );
      }
    }
  };
}

async function insert(
  transaction: Transaction<Schema>,
  changes: Changes,
  { state, instanceName }: VmmView,
  spec: InstanceSpec,
): Promise<void> {
  const taken = await transaction
    .selectFrom('instances')
    .select('id')
    .where('name', '=', instanceName)
    .executeTakeFirst();
  // Two hosts may have used one name; in the fleet it is unique.
  const name = taken ? `${instanceName.slice(0, 54)}-${state.instanceId.slice(0, 8)}` : instanceName;
  const stopped = state.life === 'stopped' || state.life === 'failed';
  const placement = { host: null, labels: {}, antiAffinity: null, strategy: 'spread' };
  const made = await transaction
    .insertInto('instances')
    .values({
      id: state.instanceId,
      name,
      spec: JSON.stringify(writeInstanceSpecForStorage(spec)),
      labels: '{}',
      placement: JSON.stringify(placement),
      anti_affinity: null,
      desired: stopped ? 'stopped' : 'running',
      vmm_id: null,
      migration_id: null,
      problem: null,
      cpus: spec.cpus,
      memory_bytes: spec.memoryMiB * 1024 * 1024,
      created_at: new Date(),
      run_at: null,
      lease_owner: null,
      lease_until: null,
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning('id')
    .execute();
  if (made.length > 0) changes.changed('instance', state.instanceId);
}
