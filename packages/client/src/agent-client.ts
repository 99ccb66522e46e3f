/**
 * The typed client of the agent API: one method for each endpoint of the contract, named as there. Runs wherever there is
 * fetch. Every method rejects with {@link import('./errors.js').ApiError} when the agent refuses, otherwise with an error of `clientErrors`.
 */
import {
  type AgentEndpointName,
  API_VERSION_HEADER,
  agentEndpoints,
  agentPath,
  type CreateInstanceBody,
  type InstanceView,
  type MigrationEvent,
  type MigrationView,
  type StartMigrationBody,
} from '@drover/protocol/agent';
import type { Host } from '@drover/types';
import type { z } from 'zod';
import { API_VERSION, Transport, type TransportOptions } from './transport.js';
import { type WatchOptions, watchMigration } from './watch.js';

type Endpoints = typeof agentEndpoints;
type DocumentOf<K extends AgentEndpointName> = Endpoints[K]['response'] extends z.ZodType
  ? z.output<Endpoints[K]['response']>
  : never;

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export class AgentClient {
  readonly #transport: Transport;

  /** Errors: `agent-url-invalid`. */
  constructor(options: TransportOptions) {
    this.#transport = new Transport(options);
  }

  /** Base URL, without a slash at its end. */
  get url(): string {
    return this.#transport.url;
  }

  getHost(options?: CallOptions): Promise<Host> {
    return this.#call('getHost', agentPath('getHost', {}), undefined, options);
  }

  async listInstances(options?: CallOptions): Promise<InstanceView[]> {
    return (await this.#call('listInstances', agentPath('listInstances', {}), undefined, options)).items;
  }

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

  /** `force`: without asking the guest to power off. */
  stopInstance(instance: string, options: CallOptions & { force?: boolean } = {}): Promise<InstanceView> {
    const body = { force: options.force ?? false };
    return this.#call('stopInstance', agentPath('stopInstance', { instance }), body, options);
  }

  async deleteInstance(instance: string, options?: CallOptions): Promise<void> {
    await this.#call('deleteInstance', agentPath('deleteInstance', { instance }), undefined, options);
  }

  /** The end of the serial console log as text; at most `tailBytes` of it (default 65,536, at most 1 MiB). */
  getInstanceLog(instance: string, options: CallOptions & { tailBytes?: number } = {}): Promise<string> {
    const query = options.tailBytes === undefined ? '' : `?tailBytes=${options.tailBytes}`;
    return this.#transport.send({
      method: agentEndpoints.getInstanceLog.method,
      path: `${agentPath('getInstanceLog', { instance })}${query}`,
      signal: options.signal,
    });
  }

  /**
   * The WebSocket URL of the serial console, a stream of bytes both ways. The version is in its query, for a browser's WebSocket
   * sends no headers of one's own.
   */
  openConsole(instance: string): string {
    const url = new URL(`${this.url}${agentPath('openConsole', { instance })}`);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set(API_VERSION_HEADER, API_VERSION);
    return url.href;
  }

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

  /** Every event of a migration as it comes, the last one `ended`; comes back by itself after a lost connection. */
  watchMigration(migration: string, options?: WatchOptions): AsyncGenerator<MigrationEvent, void, undefined> {
    return watchMigration(this.#transport, migration, options);
  }

  async #call<K extends AgentEndpointName>(
    name: K,
    path: string,
    body: unknown,
    options: CallOptions | undefined,
  ): Promise<DocumentOf<K>> {
    const { method, response } = agentEndpoints[name];
    const text = await this.#transport.send({ method, path, body, signal: options?.signal });
    if (typeof response === 'string') throw new TypeError(`${name} does not answer with a document`);
    try {
      return response.parse(JSON.parse(text)) as DocumentOf<K>;
    } catch (cause) {
      throw this.#transport.invalid(`the answer of ${name} has another form`, cause);
    }
  }
}
