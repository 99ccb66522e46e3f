/**
 * One round over one host: who it is, and every VMM that it has. What the database has of it beside that was ended without a word; its agent
 * is asked once more for each before that is believed. Nothing is concluded from a host that does not answer.
 */
import { ApiError } from '@drover/client';
import type { Host } from '@drover/types';
import { sql } from 'kysely';
import type { Logger } from 'pino';
import { controlPlaneErrors } from '../errors.js';
import type { ChangeLog } from '../events/change-log.js';
import type { VmmView } from '../hosts/agent.js';
import type { AgentPool } from '../hosts/agent-pool.js';
import type { HostDirectory, KnownHost } from '../hosts/directory.js';
import { setHostState, writeDescription } from '../hosts/host-row.js';
import type { Database } from '../store/database.js';
import type { StateCounters } from './counters.js';
import { followInstances } from './follow-instances.js';
import type { ReachedHosts } from './reached.js';
import type { StateWriter } from './state-writer.js';
import type { StoredVmm } from './stored-vmms.js';
import type { VmmIndex } from './vmm-index.js';

export interface SweepParts {
  readonly database: Database;
  readonly reached: ReachedHosts;
  readonly changeLog: ChangeLog;
  readonly agents: AgentPool;
  readonly directory: HostDirectory;
  readonly writer: StateWriter;
  readonly index: VmmIndex;
  readonly counters: StateCounters;
  readonly logger: Logger;
}

/**
 * `stored` was read before the host is asked, so that a VMM which comes meanwhile is not taken for gone.
 * Errors: what its agent answers, `host-identity-differs`, `agent-unreachable`, `agent-timeout`; `database-unavailable`.
 */
export async function sweepHost(
  parts: SweepParts,
  host: KnownHost,
  stored: readonly StoredVmm[],
): Promise<void> {
  const { agents, writer } = parts;
  const description = await agents.ask(host, (agent, options) => agent.getHost(options));
  if (description.hostId !== host.id) {
    throw controlPlaneErrors.error(
      'host-identity-differs',
      `The agent at ${host.url}, where host ${host.name} (${host.id}) registered, says that it is ${description.name} (${description.hostId}); correct the URL under which it registers.`,
    );
  }
  await noteDescription(parts, host, description);
  const views = await agents.ask(host, (agent, options) => agent.listVmms(options));
  await writer.store(host, views, 'watcher');
  await endVanished(parts, host, stored, new Set(views.map(({ state }) => state.vmmId)));
  await noteReached(parts, host);
}

async function noteDescription(
  { changeLog, directory }: SweepParts,
  host: KnownHost,
  said: Host,
): Promise<void> {
  const written = writeDescription(said);
  if (host.description !== null && written === writeDescription(host.description)) return;
  await changeLog.transaction(async (transaction, changes) => {
    await transaction
      .updateTable('hosts')
      .set({
        description: written,
        cpus: said.capacity?.cpus ?? null,
        memory_bytes: said.capacity?.memoryBytes ?? null,
        generation: sql<string>`generation + 1`,
      })
      .where('id', '=', host.id)
      .execute();
    changes.changed('host', host.id);
  });
  await directory.reload([host.id]);
}

async function noteReached(
  { reached, changeLog, directory, logger }: SweepParts,
  host: KnownHost,
): Promise<void> {
  reached.note(host.id);
  if (directory.get(host.id)?.state !== 'unreachable') return;
  const back = await changeLog.transaction((transaction, changes) =>
    setHostState(transaction, changes, host.id, { state: host.desired, reason: null, from: ['unreachable'] }),
  );
  await directory.reload([host.id]);
  if (back) logger.info({ hostId: host.id, host: host.name }, 'a host answers again');
}

async function endVanished(
  parts: SweepParts,
  host: KnownHost,
  stored: readonly StoredVmm[],
  listed: ReadonlySet<string>,
): Promise<void> {
  for (const vmm of stored) {
    if (listed.has(vmm.id)) continue;
    const view = await askAgain(parts, host, vmm.id);
    if (view) await parts.writer.store(host, [view], 'watcher');
    else await endOne(parts, host, vmm);
  }
}

async function askAgain({ agents }: SweepParts, host: KnownHost, vmmId: string): Promise<VmmView | null> {
  try {
    return await agents.ask(host, (agent, options) => agent.getVmm(vmmId, options));
  } catch (thrown) {
    if (thrown instanceof ApiError && thrown.code === 'vmm-not-found') return null;
    throw thrown;
  }
}

/** Only as it was when its agent did not know it: one that has become newer meanwhile is there. */
async function endOne(
  { changeLog, index, counters, logger }: SweepParts,
  host: KnownHost,
  vmm: StoredVmm,
): Promise<void> {
  const ended = await changeLog.transaction(async (transaction, changes) => {
    const rows = await transaction
      .updateTable('vmms')
      .set({ ended_reason: 'deleted', ended_at: new Date() })
      .where('id', '=', vmm.id)
      .where('ended_at', 'is', null)
      .where('generation', '=', vmm.generation)
      .returning('id')
      .execute();
    if (rows.length === 0) return false;
    changes.changed('vmm', vmm.id);
    await followInstances(transaction, changes, [vmm.instance_id]);
    return true;
  });
  if (!ended) return;
  index.forget(vmm.id);
  counters.vanished += 1;
  logger.warn(
    { hostId: host.id, vmmId: vmm.id },
    'an agent no longer has a VMM and did not say how it ended',
  );
}
