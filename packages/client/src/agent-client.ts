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
  agentEndpointsV1,
  agentPath,
  answersFromV1,
  bodiesToV1,
  type CreateInstanceBody,
  type Endpoint,
  type InstanceView,
  type MigrationEvent,
  type MigrationView,
  type StartMigrationBody,
} from '@drover/protocol/agent';
import { type Compatibility, type HostV2, readCompatibility } from '@drover/types';
import { z } from 'zod';
import type { WatchOptions } from './event-connection.js';
import { agentService } from './service.js';
import { Transport, type TransportOptions } from './transport.js';
import { watchMigration } from './watch.js';

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

  getHost(options?: CallOptions): Promise<HostV2> {
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

  /** `backends` needs an agent of API 2.0.0. Errors: `api-version-too-old` where it serves less. */
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

  #call<K extends AgentEndpointName>(
    name: K,
    path: string,
    body: unknown,
    options: CallOptions | undefined,
  ): Promise<DocumentOf<K>> {
    const signal = options?.signal;
    return this.#transport.inCommonVersion((version) => this.#ask(version, name, path, body, signal), signal);
  }

  async #ask<K extends AgentEndpointName>(
    version: AgentApiVersion,
    name: K,
    path: string,
    body: unknown,
    signal: AbortSignal | undefined,
  ): Promise<DocumentOf<K>> {
    const { method } = agentEndpoints[name];
    const way = version === '1.0.0' ? wayToV1(name, this.url) : newest(name);
    const text = await this.#transport.send({ version, method, path, body: way.body(body), signal });
    try {
      return way.answer(JSON.parse(text)) as DocumentOf<K>;
    } catch (cause) {
      throw this.#transport.invalid(`the answer of ${name} has another form`, cause);
    }
  }
}

/** What is sent and what is made of the answer, in one version of the contract. */
interface Way {
  body(body: unknown): unknown;
  /** Throws where the document is not the contract's. */
  answer(document: unknown): unknown;
}

function newest(name: AgentEndpointName): Way {
  return { body: (body) => body, answer: (document) => parse(agentEndpoints[name].response, document) };
}

// The tables tie each endpoint to its types; over all endpoints at once that tie cannot be written as a type.
const bodies = bodiesToV1 as Record<string, ((body: never, agent: string) => unknown) | undefined>;
const answers = answersFromV1 as Record<string, ((answer: never) => unknown) | undefined>;

const endpointsV1: Readonly<Record<string, Endpoint>> = agentEndpointsV1;

function wayToV1(name: AgentEndpointName, url: string): Way {
  return {
    body: (body) => bodies[name]?.(body as never, `the agent at ${url}`) ?? body,
    answer(document) {
      const answer = parse(endpointsV1[name]?.response, document);
      return answers[name]?.(answer as never) ?? answer;
    },
  };
}

function parse(response: unknown, document: unknown): unknown {
  if (response instanceof z.ZodType) return response.parse(document);
  throw new TypeError('this endpoint does not answer with a document');
}
