/**
 * The typed client of the public API: one method for each endpoint of the contract, named as there. Runs wherever there is fetch. What
 * may be sent again is, by the labels of the errors (`repeatable.ts`). Every method rejects with
 * {@link import('./errors.js').ApiError} when the control plane refuses, otherwise with an error of `clientErrors`.
 */
import {
  ACTOR_HEADER,
  type AuditEntry,
  type CreateFleetInstanceBody,
  type CreateMigrationBody,
  type DrainView,
  type FleetInstance,
  type FleetMigration,
  type FleetPlan,
  type FleetVmm,
  type HostView,
  type PreflightResult,
  type PublicApiVersion,
  type PublicEndpointName,
  publicEndpoints,
  publicPath,
  type Registration,
} from '@drover/protocol/public';
import { z } from 'zod';
import type { CallOptions } from './agent-client.js';
import type { WatchOptions } from './event-connection.js';
import {
  type NumberedEvent,
  type WatchEventsOptions,
  watchFleetEvents,
  watchFleetMigration,
} from './fleet-events.js';
import { newId } from './new-id.js';
import { eachItem, type Page } from './pages.js';
import { mayRepeat } from './repeatable.js';
import { defaultRetryPolicy, type RetryPolicy, withRetries } from './retry.js';
import { controlPlaneService } from './service.js';
import { Transport, type TransportOptions } from './transport.js';
import { whatIsWrong } from './what-is-wrong.js';

type Endpoints = typeof publicEndpoints;
type ResponseOf<K extends PublicEndpointName> = Endpoints[K]['response'] extends z.ZodType
  ? z.output<Endpoints[K]['response']>
  : never;
/** As a client sends it: defaults may be left out. */
export type BodyOf<K extends PublicEndpointName> = Endpoints[K]['body'] extends z.ZodType
  ? z.input<Endpoints[K]['body']>
  : never;
export type QueryOf<K extends PublicEndpointName> = Endpoints[K]['query'] extends z.ZodType
  ? Readonly<z.input<Endpoints[K]['query']>>
  : never;

export interface ControlPlaneClientOptions extends TransportOptions {
  /** Longest wait for one answer, ms; default 20,000. Trying again may make it longer, up to `retries.giveUpMs`. */
  readonly timeoutMs?: number;
  /** Who asks, for the audit trail; by default the address that the request comes from. */
  readonly actor?: string;
  readonly retries?: Partial<RetryPolicy>;
}

export class ControlPlaneClient {
  readonly #transport: Transport<PublicApiVersion>;
  readonly #retries: RetryPolicy;
  readonly #headers: Readonly<Record<string, string>>;

  /** Errors: `control-plane-url-invalid`. */
  constructor({ actor, retries, ...options }: ControlPlaneClientOptions) {
    this.#transport = new Transport(controlPlaneService, { timeoutMs: 20_000, ...options });
    this.#retries = { ...defaultRetryPolicy, ...retries };
    // A header is ASCII; what is not would make fetch throw.
    this.#headers = actor === undefined ? {} : { [ACTOR_HEADER]: actor.replace(/[^\x20-\x7e]/g, '?') };
  }

  /** Base URL, without a slash at its end. */
  get url(): string {
    return this.#transport.url;
  }

  registerHost(host: string, body: BodyOf<'registerHost'>, options?: CallOptions): Promise<Registration> {
    return this.#call('registerHost', publicPath('registerHost', { host }), { body, ...options });
  }

  /** One page of hosts, by name; {@link eachHost} walks over all pages. So with every list. */
  listHosts(query?: QueryOf<'listHosts'>, options?: CallOptions): Promise<Page<HostView>> {
    return this.#call('listHosts', publicPath('listHosts', {}), { query, ...options });
  }

  eachHost(query?: QueryOf<'listHosts'>, options?: CallOptions): AsyncGenerator<HostView, void, undefined> {
    return eachItem((page) => this.listHosts({ ...query, ...page }, options), query);
  }

  /** By id or name, here and in what follows. */
  getHost(host: string, options?: CallOptions): Promise<HostView> {
    return this.#call('getHost', publicPath('getHost', { host }), options);
  }

  /** These and no others. */
  labelHost(
    host: string,
    labels: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): Promise<HostView> {
    return this.#call('labelHost', publicPath('labelHost', { host }), { body: { labels }, ...options });
  }

  drainHost(host: string, body: BodyOf<'drainHost'> = {}, options?: CallOptions): Promise<DrainView> {
    return this.#call('drainHost', publicPath('drainHost', { host }), { body, ...options });
  }

  undrainHost(host: string, options?: CallOptions): Promise<HostView> {
    return this.#call('undrainHost', publicPath('undrainHost', { host }), options);
  }

  markHostLost(host: string, body: BodyOf<'markHostLost'>, options?: CallOptions): Promise<HostView> {
    return this.#call('markHostLost', publicPath('markHostLost', { host }), { body, ...options });
  }

  async forgetHost(host: string, options?: CallOptions): Promise<void> {
    await this.#call('forgetHost', publicPath('forgetHost', { host }), options);
  }

  /** Gives the instance an id where `body` has none, so that it is made once however often the request is sent. */
  createInstance(body: CreateFleetInstanceBody, options?: CallOptions): Promise<FleetInstance> {
    const path = publicPath('createInstance', {});
    return this.#call('createInstance', path, { body: { id: newId(), ...body }, ...options });
  }

  listInstances(query?: QueryOf<'listInstances'>, options?: CallOptions): Promise<Page<FleetInstance>> {
    return this.#call('listInstances', publicPath('listInstances', {}), { query, ...options });
  }

  eachInstance(
    query?: QueryOf<'listInstances'>,
    options?: CallOptions,
  ): AsyncGenerator<FleetInstance, void, undefined> {
    return eachItem((page) => this.listInstances({ ...query, ...page }, options), query);
  }

  getInstance(instance: string, options?: CallOptions): Promise<FleetInstance> {
    return this.#call('getInstance', publicPath('getInstance', { instance }), options);
  }

  startInstance(instance: string, options?: CallOptions): Promise<FleetInstance> {
    return this.#call('startInstance', publicPath('startInstance', { instance }), options);
  }

  /** `force`: without asking the guest to power off. */
  stopInstance(instance: string, options: CallOptions & { force?: boolean } = {}): Promise<FleetInstance> {
    const { force = false, ...rest } = options;
    const path = publicPath('stopInstance', { instance });
    return this.#call('stopInstance', path, { body: { force }, ...rest });
  }

  async deleteInstance(instance: string, options?: CallOptions): Promise<void> {
    await this.#call('deleteInstance', publicPath('deleteInstance', { instance }), options);
  }

  /** The end of the serial console log as text; at most `tailBytes` of it (default 65,536, at most 1 MiB). */
  getInstanceLog(instance: string, options: CallOptions & { tailBytes?: number } = {}): Promise<string> {
    const { tailBytes, ...rest } = options;
    const path = publicPath('getInstanceLog', { instance });
    const query = tailBytes === undefined ? undefined : { tailBytes };
    return this.#send('getInstanceLog', path, { query, ...rest }, (text) => text);
  }

  listVmms(query?: QueryOf<'listVmms'>, options?: CallOptions): Promise<Page<FleetVmm>> {
    return this.#call('listVmms', publicPath('listVmms', {}), { query, ...options });
  }

  eachVmm(query?: QueryOf<'listVmms'>, options?: CallOptions): AsyncGenerator<FleetVmm, void, undefined> {
    return eachItem((page) => this.listVmms({ ...query, ...page }, options), query);
  }

  getVmm(vmm: string, options?: CallOptions): Promise<FleetVmm> {
    return this.#call('getVmm', publicPath('getVmm', { vmm }), options);
  }

  /** Gives the migration an id where `body` has none, so that it is begun once however often the request is sent. */
  createMigration(body: CreateMigrationBody, options?: CallOptions): Promise<FleetMigration> {
    const path = publicPath('createMigration', {});
    return this.#call('createMigration', path, { body: { id: newId(), ...body }, ...options });
  }

  listMigrations(query?: QueryOf<'listMigrations'>, options?: CallOptions): Promise<Page<FleetMigration>> {
    return this.#call('listMigrations', publicPath('listMigrations', {}), { query, ...options });
  }

  eachMigration(
    query?: QueryOf<'listMigrations'>,
    options?: CallOptions,
  ): AsyncGenerator<FleetMigration, void, undefined> {
    return eachItem((page) => this.listMigrations({ ...query, ...page }, options), query);
  }

  getMigration(migration: string, options?: CallOptions): Promise<FleetMigration> {
    return this.#call('getMigration', publicPath('getMigration', { migration }), options);
  }

  /** Asks to cancel; what becomes of the migration is seen by watching it. */
  cancelMigration(migration: string, options?: CallOptions): Promise<FleetMigration> {
    return this.#call('cancelMigration', publicPath('cancelMigration', { migration }), options);
  }

  resolveMigration(
    migration: string,
    body: BodyOf<'resolveMigration'>,
    options?: CallOptions,
  ): Promise<FleetMigration> {
    const path = publicPath('resolveMigration', { migration });
    return this.#call('resolveMigration', path, { body, ...options });
  }

  /**
   * The migration each time it is seen in a new state, until it has ended; the last one is how. Comes back by itself after a lost
   * connection, and reads it anew where events were missed. One in doubt goes on being watched.
   */
  watchMigration(
    migration: string,
    options: WatchOptions = {},
  ): AsyncGenerator<FleetMigration, void, undefined> {
    const read = () => this.getMigration(migration, { signal: options.signal });
    return watchFleetMigration(this.#transport, migration, read, options);
  }

  async checkPreflight(body: BodyOf<'checkPreflight'>, options?: CallOptions): Promise<PreflightResult[]> {
    const path = publicPath('checkPreflight', {});
    return (await this.#call('checkPreflight', path, { body, ...options })).results;
  }

  listDrains(query?: QueryOf<'listDrains'>, options?: CallOptions): Promise<Page<DrainView>> {
    return this.#call('listDrains', publicPath('listDrains', {}), { query, ...options });
  }

  eachDrain(
    query?: QueryOf<'listDrains'>,
    options?: CallOptions,
  ): AsyncGenerator<DrainView, void, undefined> {
    return eachItem((page) => this.listDrains({ ...query, ...page }, options), query);
  }

  getDrain(drain: string, options?: CallOptions): Promise<DrainView> {
    return this.#call('getDrain', publicPath('getDrain', { drain }), options);
  }

  planFleet(body: BodyOf<'planFleet'> = {}, options?: CallOptions): Promise<FleetPlan> {
    return this.#call('planFleet', publicPath('planFleet', {}), { body, ...options });
  }

  /** Everything that changes, for ever: leave the loop, or abort. After a `gap` the lists are to be read again. */
  watchEvents(options: WatchEventsOptions = {}): AsyncGenerator<NumberedEvent, void, undefined> {
    return watchFleetEvents(this.#transport, options);
  }

  listAudit(query?: QueryOf<'listAudit'>, options?: CallOptions): Promise<Page<AuditEntry>> {
    return this.#call('listAudit', publicPath('listAudit', {}), { query, ...options });
  }

  eachAudit(
    query?: QueryOf<'listAudit'>,
    options?: CallOptions,
  ): AsyncGenerator<AuditEntry, void, undefined> {
    return eachItem((page) => this.listAudit({ ...query, ...page }, options), query);
  }

  #call<K extends PublicEndpointName>(
    name: K,
    path: string,
    call: CallParts | undefined,
  ): Promise<ResponseOf<K>> {
    const { method, response } = publicEndpoints[name];
    return this.#send(name, path, call, (text) => {
      try {
        return parse(response, JSON.parse(text)) as ResponseOf<K>;
      } catch (cause) {
        throw this.#transport.invalid(`its answer to ${method} ${path} ${whatIsWrong(cause)}`, cause);
      }
    });
  }

  async #send<T>(
    name: PublicEndpointName,
    path: string,
    { body, query, signal }: CallParts = {},
    read: (text: string) => T,
  ): Promise<T> {
    const { method } = publicEndpoints[name];
    const request = { method, path: `${path}${queryString(query)}`, body, headers: this.#headers, signal };
    const ask = () =>
      this.#transport.inCommonVersion((version) => this.#transport.send({ version, ...request }), signal);
    return read(await withRetries(ask, (thrown) => mayRepeat(name, thrown), this.#retries, signal));
  }
}

interface CallParts extends CallOptions {
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, unknown>> | undefined;
}

function queryString(query: Readonly<Record<string, unknown>> = {}): string {
  const given = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) given.set(key, String(value));
  return given.size === 0 ? '' : `?${given}`;
}

function parse(response: unknown, document: unknown): unknown {
  if (response instanceof z.ZodType) return response.parse(document);
  throw new TypeError('this endpoint does not answer with a document');
}
