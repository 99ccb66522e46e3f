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

/** New instances of one host from which on all of its instances are asked for. */
const LIST_FROM = 4;

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
    if (candidates.size === 0) return;
    try {
      const specs = await readSpecs(agents, host, [...candidates.keys()]);
      const found = [...candidates.values()].filter(({ state }) => specs.has(state.instanceId));
      await changeLog.transaction((transaction, changes) => insert(transaction, changes, found, specs));
      logger.info(
        { hostId: host.id, instances: found.length },
        'found instances that were made on their host',
      );
    } catch (err) {
      // Their VMMs are stored all the same, and the next round asks again.
      logger.warn({ err, hostId: host.id }, 'the specs of instances cannot be read from their host');
    }
  };
}

/** Of a host with many new ones the list is asked for. */
async function readSpecs(
  agents: AgentPool,
  host: AgentAddress,
  ids: readonly string[],
): Promise<Map<string, InstanceSpec>> {
  const views = await agents.ask(host, (agent, options) =>
    ids.length >= LIST_FROM
      ? agent.listInstances(options)
      : Promise.all(ids.map((id) => agent.findInstance(id, options))),
  );
  return new Map(views.flatMap((view) => (view ? [[view.id, view.spec] as const] : [])));
}

async function insert(
  transaction: Transaction<Schema>,
  changes: Changes,
  found: readonly VmmView[],
  specs: ReadonlyMap<string, InstanceSpec>,
): Promise<void> {
  if (found.length === 0) return;
  const taken = await transaction
    .selectFrom('instances')
    .select('name')
    .where(
      'name',
      'in',
      found.map(({ instanceName }) => instanceName),
    )
    .execute();
  const names = new Set(taken.map(({ name }) => name));
  // In one order in every replica, so that two of them do not wait for each other.
  const rows = found
    .toSorted((a, b) => (a.state.instanceId < b.state.instanceId ? -1 : 1))
    .flatMap((view) => {
      const spec = specs.get(view.state.instanceId);
      return spec ? [rowOf(view, nameOf(view, names), spec)] : [];
    });
  const made = await transaction
    .insertInto('instances')
    .values(rows)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning('id')
    .execute();
  for (const { id } of made) changes.changed('instance', id);
}

/** Two hosts may have used one name; in the fleet it is unique. */
function nameOf({ instanceName, state }: VmmView, taken: Set<string>): string {
  const name = taken.has(instanceName)
    ? `${instanceName.slice(0, 54)}-${state.instanceId.slice(0, 8)}`
    : instanceName;
  taken.add(name);
  return name;
}

function rowOf({ state }: VmmView, name: string, spec: InstanceSpec) {
  const stopped = state.life === 'stopped' || state.life === 'failed';
  const placement = { host: null, labels: {}, antiAffinity: null, strategy: 'spread' };
  return {
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
  };
}
