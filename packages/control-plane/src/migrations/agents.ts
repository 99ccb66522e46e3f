/**
 * What sagas ask of agents: the part of the agent API that they use, so that tests can stand in for it call by call. Every method ends by
 * itself in bounded time and rejects with a {@link DroverError} whose label says whether asking again can help.
 */
import type {
  MigrationViewV3,
  OwnershipV3,
  PreflightBodyV3,
  PreflightFindingV3,
  ResolveMigrationBodyV3,
  startMigrationBodyV3,
  VmmViewV3,
} from '@drover/protocol';
import type { Host } from '@drover/types';
import type { z } from 'zod';

/** As sent: `id` needs an agent of API 3.0.0. */
export type StartMigrationBody = z.input<typeof startMigrationBodyV3>;

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface SagaAgent {
  getHost(options?: CallOptions): Promise<Host>;
  /** Every VMM; of an agent that is too old to list them, what its instances say. */
  listVmms(options?: CallOptions): Promise<readonly VmmViewV3[]>;
  checkPreflight(body: PreflightBodyV3, options?: CallOptions): Promise<readonly PreflightFindingV3[]>;
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
