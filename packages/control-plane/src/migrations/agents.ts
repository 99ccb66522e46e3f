/**
 * What sagas ask of agents: the part of the agent API that they use, so that tests can stand in for it call by call. Every method ends by
 * itself in bounded time and rejects with a {@link DroverError} whose label says whether asking again can help.
 */
import type {
  MigrationViewV3,
  OwnershipV3,
  Preflight,
  PreflightBody,
  ResolveMigrationBodyV3,
  VmmViewV3,
} from '@drover/protocol';
import type { Host } from '@drover/types';
import type { StartMigrationBody } from '../hosts/agent.js';
import type { AgentPool } from '../hosts/agent-pool.js';
import type { HostDirectory } from '../hosts/directory.js';

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface SagaAgent {
  getHost(options?: CallOptions): Promise<Host>;
  /** Every VMM; of an agent that is too old to list them, what its instances say. */
  listVmms(options?: CallOptions): Promise<readonly VmmViewV3[]>;
  /** Errors: `api-version-too-old`, with `cpu` of an agent that does not compare it. */
  checkPreflight(body: PreflightBody, options?: CallOptions): Promise<Preflight>;
  startMigration(body: StartMigrationBody, options?: CallOptions): Promise<MigrationViewV3>;
  /** Newest first. */
  listMigrations(options?: CallOptions): Promise<readonly MigrationViewV3[]>;
  getMigration(migration: string, options?: CallOptions): Promise<MigrationViewV3>;
  /** Resolves when it has ended or after some seconds, whichever is first. */
  cancelMigration(migration: string, options?: CallOptions): Promise<MigrationViewV3>;
  getOwnership(migration: string, options?: CallOptions): Promise<OwnershipV3>;
  resolveMigration(
    migration: string,
    body: ResolveMigrationBodyV3,
    options?: CallOptions,
  ): Promise<MigrationViewV3>;
}

export interface AgentDirectory {
  /** The agent of a host; its calls are bounded per host and overall. Null where there is no such host. */
  agentOf(hostId: string): Promise<SagaAgent | null>;
}

/** The agents of the fleet, asked through the pool, so that sagas take their turn among all who ask. */
export function poolAgents(pool: AgentPool, directory: HostDirectory): AgentDirectory {
  return {
    async agentOf(hostId) {
      const host = directory.get(hostId);
      if (host === undefined) return null;
      return {
        getHost: (options) => pool.ask(host, (agent, asked) => agent.getHost(within(asked, options))),
        listVmms: (options) => pool.ask(host, (agent, asked) => agent.listVmms(within(asked, options))),
        checkPreflight: (body, options) =>
          pool.ask(host, (agent, asked) => agent.checkPreflight(body, within(asked, options))),
        startMigration: (body, options) =>
          pool.ask(host, (agent, asked) => agent.startMigration(body, within(asked, options))),
        listMigrations: (options) =>
          pool.ask(host, (agent, asked) => agent.listMigrations(within(asked, options))),
        getMigration: (id, options) =>
          pool.ask(host, (agent, asked) => agent.getMigration(id, within(asked, options))),
        cancelMigration: (id, options) =>
          pool.ask(host, (agent, asked) => agent.cancelMigration(id, within(asked, options))),
        getOwnership: (id, options) =>
          pool.ask(host, (agent, asked) => agent.getOwnership(id, within(asked, options))),
        resolveMigration: (id, body, options) =>
          pool.ask(host, (agent, asked) => agent.resolveMigration(id, body, within(asked, options))),
      };
    },
  };
}

function within(
  asked: { readonly signal: AbortSignal },
  { signal }: CallOptions = {},
): { signal: AbortSignal } {
  return { signal: signal === undefined ? asked.signal : AbortSignal.any([asked.signal, signal]) };
}
