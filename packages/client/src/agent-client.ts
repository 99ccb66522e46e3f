/**
 * The typed client of the agent API: one method for each endpoint of the contract, named as there. Runs wherever there is
 * fetch. Its types are the newest contract's; with an agent that serves an older version it speaks that one, and refuses what that
 * cannot say. Every method rejects with {@link import('./errors.js').ApiError} when the agent refuses, otherwise with an error of `clientErrors`.
 */
import {
  AGENT_API_VERSIONS,
  type AgentApiVersion,
  type AgentEndpointName,
  API_VERSION_HEADER,
  agentEndpoints,
  agentPath,
  type CreateInstanceBody,
  type InstanceView,
  type MigrationEvent,
  type MigrationView,
  type Ownership,
  olderAgent,
  type Preflight,
  type PreflightBody,
  type ResolveMigrationBody,
  type StartMigrationBody,
  type VmmView,
  vmmsFromV2,
} from '@drover/protocol/agent';
import { type Compatibility, type Host, readCompatibility } from '@drover/types';
import type { z } from 'zod';
import { ApiError } from './errors.js';
import type { WatchOptions } from './event-connection.js';
import { agentService } from './service.js';
import { Transport, type TransportOptions } from './transport.js';
import { watchMigration } from './watch.js';
import { wayTo } from './ways.js';
import { whatIsWrong } from './what-is-wrong.js';

type Endpoints = typeof agentEndpoints;
type DocumentOf<K extends AgentEndpointName> = Endpoints[K]['response'] extends z.ZodType
  ? z.output<Endpoints[K]['response']>
  : never;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export class AgentClient {
  readonly #transport: Transport<AgentApiVersion>;

  /** Errors: `agent-url-invalid`. */
  constructor(options: TransportOptions) {
    this.#transport = new Transport(agentService, options);
  }

  /** Base URL, without a slash at its end. */
  get url(): string {
    return this.#transport.url;
  }

  getHost(options?: CallOptions): Promise<Host> {
    return this.#call('getHost', agentPath('getHost', {}), undefined, options);
  }

  /** What the host speaks, reads and runs. An agent that is too old to say it is taken for what its release was. */
  async getCompatibility(options?: CallOptions): Promise<Compatibility> {
    const signal = options?.signal;
    return this.#transport.inCommonVersion(async (version) => {
      if (version === '1.0.0') {
        const host = await this.#ask(version, 'getHost', agentPath('getHost', {}), undefined, signal);
        return host.compatibility;
      }
      const path = agentPath('getCompatibility', {});
      return readCompatibility(await this.#ask(version, 'getCompatibility', path, undefined, signal));
    }, signal);
  }

  async listInstances(options?: CallOptions): Promise<InstanceView[]> {
    return (await this.#call('listInstances', agentPath('listInstances', {}), undefined, options)).items;
  }

  /** Errors: `spec-not-convertible` where the agent is too old for the spec. */
  createInstance(body: CreateInstanceBody, options?: CallOptions): Promise<InstanceView> {
    return this.#call('createInstance', agentPath('createInstance', {}), body, options);
  }

  /** By id or name, here and below. */
  getInstance(instance: string, options?: CallOptions): Promise<InstanceView> {
    return this.#call('getInstance', agentPath('getInstance', { instance }), undefined, options);
  }

  startInstance(instance: string, options?: CallOptions): Promise<InstanceView> {
    return this.#call('startInstance', agentPath('startInstance', { instance }), undefined, options);
  }

  /** `force`: without asking the guest to power off. `vmm`: only while the instance has this VMM. Errors: `api-version-too-old` for the latter. */
  stopInstance(
    instance: string,
    options: CallOptions & { force?: boolean; vmm?: string } = {},
  ): Promise<InstanceView> {
    const { force = false, vmm } = options;
    const body = { force, ...(vmm === undefined ? {} : { vmm }) };
    return this.#call('stopInstance', agentPath('stopInstance', { instance }), body, options);
  }

  /** `vmm`: only while the instance has this VMM. Errors: `api-version-too-old` for that. */
  async deleteInstance(instance: string, options: CallOptions & { vmm?: string } = {}): Promise<void> {
    const { vmm, signal } = options;
    const query = vmm === undefined ? '' : `?vmm=${encodeURIComponent(vmm)}`;
    const path = `${agentPath('deleteInstance', { instance })}${query}`;
    await this.#transport.inCommonVersion((version) => {
      if (vmm !== undefined)
        this.#refuseOlder(version, 'Deleting an instance only while it has a certain VMM');
      return this.#ask(version, 'deleteInstance', path, undefined, signal);
    }, signal);
  }

  /** Every VMM of the host. Of an agent older than API 3.0.0 they are made of its instances; those that ended it does not keep. */
  listVmms(options?: CallOptions): Promise<VmmView[]> {
    const signal = options?.signal;
    return this.#transport.inCommonVersion(async (version) => {
      if (isOlder(version)) return this.#vmmsOfOlder(version, signal);
      return (await this.#ask(version, 'listVmms', agentPath('listVmms', {}), undefined, signal)).items;
    }, signal);
  }

  /** One VMM by its id; as {@link listVmms}. */
  getVmm(vmm: string, options?: CallOptions): Promise<VmmView> {
    const signal = options?.signal;
    return this.#transport.inCommonVersion(async (version) => {
      if (!isOlder(version)) {
        return this.#ask(version, 'getVmm', agentPath('getVmm', { vmm }), undefined, signal);
      }
      const found = (await this.#vmmsOfOlder(version, signal)).find(({ state }) => state.vmmId === vmm);
      if (found) return found;
      const message = `There is no VMM ${vmm} on the host at ${this.url}.`;
      throw new ApiError({ code: 'vmm-not-found', message, retryable: false }, 404);
    }, signal);
  }

  /** The state of `generation` is stored. Resolves true when the agent keeps the VMM no longer. */
  acknowledgeVmm(vmm: string, generation: string, options?: CallOptions): Promise<boolean> {
    const signal = options?.signal;
    return this.#transport.inCommonVersion(async (version) => {
      // An older agent keeps none that ended.
      if (isOlder(version)) return false;
      const path = agentPath('acknowledgeVmm', { vmm });
      return (await this.#ask(version, 'acknowledgeVmm', path, { generation }, signal)).forgotten;
    }, signal);
  }

  /** What a migration would meet on the host. Errors: `api-version-too-old`, with `cpu` of an agent before API 4.0.0 as well. */
  checkPreflight(body: PreflightBody, options?: CallOptions): Promise<Preflight> {
    const path = agentPath('checkPreflight', {});
    return this.#callNew('checkPreflight', 'A preflight', path, body, options);
  }

  /** The end of the serial console log as text; at most `tailBytes` of it (default 65,536, at most 1 MiB). */
  getInstanceLog(instance: string, options: CallOptions & { tailBytes?: number } = {}): Promise<string> {
    const query = options.tailBytes === undefined ? '' : `?tailBytes=${options.tailBytes}`;
    const { method } = agentEndpoints.getInstanceLog;
    const path = `${agentPath('getInstanceLog', { instance })}${query}`;
    const { signal } = options;
    return this.#transport.inCommonVersion(
      (version) => this.#transport.send({ version, method, path, signal }),
      signal,
    );
  }

  /**
   * The WebSocket URL of the serial console, a stream of bytes both ways. The version is in its query, for a browser's WebSocket
   * sends no headers of one's own; it is the oldest, for this endpoint is the same in all.
   */
  openConsole(instance: string): string {
    const url = new URL(`${this.url}${agentPath('openConsole', { instance })}`);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set(API_VERSION_HEADER, AGENT_API_VERSIONS[0]);
    return url.href;
  }

  /** `backends` needs an agent of API 2.0.0, `id` one of 3.0.0. Errors: `api-version-too-old` where it serves less. */
  startMigration(body: StartMigrationBody, options?: CallOptions): Promise<MigrationView> {
    return this.#call('startMigration', agentPath('startMigration', {}), body, options);
  }

  async listMigrations(options?: CallOptions): Promise<MigrationView[]> {
    return (await this.#call('listMigrations', agentPath('listMigrations', {}), undefined, options)).items;
  }

  getMigration(migration: string, options?: CallOptions): Promise<MigrationView> {
    return this.#call('getMigration', agentPath('getMigration', { migration }), undefined, options);
  }

  /** Resolves when the migration has ended, which after the handover is not in a cancel. */
  cancelMigration(migration: string, options?: CallOptions): Promise<MigrationView> {
    return this.#call('cancelMigration', agentPath('cancelMigration', { migration }), undefined, options);
  }

  /** What the host's journal says of a migration. Errors: `api-version-too-old`. */
  getOwnership(migration: string, options?: CallOptions): Promise<Ownership> {
    const path = agentPath('getOwnership', { migration });
    return this.#callNew('getOwnership', 'The ownership of a migration', path, undefined, options);
  }

  /** Decides a migration in doubt, because the other host is lost for good. Errors: `api-version-too-old`. */
  resolveMigration(
    migration: string,
    body: ResolveMigrationBody,
    options?: CallOptions,
  ): Promise<MigrationView> {
    const path = agentPath('resolveMigration', { migration });
    return this.#callNew('resolveMigration', 'Deciding a migration in doubt', path, body, options);
  }

  /** Every event of a migration as it comes, the last one `ended`; comes back by itself after a lost connection. */
  watchMigration(migration: string, options?: WatchOptions): AsyncGenerator<MigrationEvent, void, undefined> {
    return watchMigration(this.#transport, migration, options);
  }

  #call<K extends AgentEndpointName>(
    name: K,
    path: string,
    body: unknown,
    options: CallOptions | undefined,
  ): Promise<DocumentOf<K>> {
    const signal = options?.signal;
    return this.#transport.inCommonVersion((version) => this.#ask(version, name, path, body, signal), signal);
  }

  /** For an endpoint that came with 3.0.0; `what` names it in a refusal. */
  #callNew<K extends AgentEndpointName>(
    name: K,
    what: string,
    path: string,
    body: unknown,
    options: CallOptions | undefined,
  ): Promise<DocumentOf<K>> {
    const signal = options?.signal;
    return this.#transport.inCommonVersion(async (version) => {
      this.#refuseOlder(version, what);
      return this.#ask(version, name, path, body, signal);
    }, signal);
  }

  #refuseOlder(version: AgentApiVersion, what: string): void {
    if (isOlder(version)) throw olderAgent(what, '3.0.0', `the agent at ${this.url}`);
  }

  async #vmmsOfOlder(version: AgentApiVersion, signal: AbortSignal | undefined): Promise<VmmView[]> {
    const path = agentPath('listInstances', {});
    const instances = await this.#ask(version, 'listInstances', path, undefined, signal);
    const migrations = await this.#ask(
      version,
      'listMigrations',
      agentPath('listMigrations', {}),
      undefined,
      signal,
    );
    return vmmsFromV2(instances.items, migrations.items);
  }

  async #ask<K extends AgentEndpointName>(
    version: AgentApiVersion,
    name: K,
    path: string,
    body: unknown,
    signal: AbortSignal | undefined,
  ): Promise<DocumentOf<K>> {
    const { method } = agentEndpoints[name];
    const way = wayTo(version, name, this.url);
    const text = await this.#transport.send({ version, method, path, body: way.body(body), signal });
    try {
      return way.answer(JSON.parse(text)) as DocumentOf<K>;
    } catch (cause) {
      throw this.#transport.invalid(`its answer to ${method} ${path} ${whatIsWrong(cause)}`, cause);
    }
  }
}

/** Before 3.0.0: without VMMs of their own, preflights and ids that the caller chooses. */
function isOlder(version: AgentApiVersion): boolean {
  return version === '1.0.0' || version === '2.0.0';
}
