/** What a simulated host answers: agent API 4.0.0, and of the older ones as much as a control plane asks of them. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { agentEndpointsV4, type Endpoint, type PreflightV4, type VmmViewV3 } from '@drover/protocol';
import { readInstanceSpec, writeHost, writeInstanceSpec, writeVmmState } from '@drover/types';
import type { z } from 'zod';
import type { FakeHost, FakeInstance } from './fake-host.js';
import { FakeMigration } from './fake-migration.js';

export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryable: boolean;

  constructor(status: number, code: string, message: string, retryable = false) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryable = retryable;
  }
}

type Name = keyof typeof agentEndpointsV4;
type Parameters = Readonly<Record<string, string>>;

const routes = Object.entries(agentEndpointsV4 as Readonly<Record<string, Endpoint>>).map(
  ([name, endpoint]) => ({
    name: name as Name,
    endpoint,
    pattern: new RegExp(`^${endpoint.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`),
  }),
);
const VERSIONS = ['1.0.0', '2.0.0', '3.0.0', '4.0.0'];
/** Endpoints that came with 3.0.0. */
const NEW: ReadonlySet<string> = new Set([
  'listVmms',
  'getVmm',
  'acknowledgeVmm',
  'checkPreflight',
  'getOwnership',
  'resolveMigration',
]);

export async function answer(
  host: FakeHost,
  request: IncomingMessage,
  pathAndQuery: string,
  body: unknown,
  response: ServerResponse,
): Promise<void> {
  const [path = '', query = ''] = pathAndQuery.split('?', 2);
  const served = VERSIONS.slice(0, VERSIONS.indexOf(host.options.api ?? '4.0.0') + 1);
  if (path === '/' || path === '') return send(response, 200, { apiVersions: served });
  const version = String(request.headers['api-version'] ?? '1.0.0');
  const route = routes.find(
    ({ endpoint, pattern }) => endpoint.method === request.method && pattern.test(path),
  );
  const isOlder = version === '1.0.0' || version === '2.0.0';
  const known = route && !(isOlder && NEW.has(route.name));
  if (!served.includes(version)) {
    throw new Refusal(400, 'api-version-unknown', `This agent serves ${served.join(', ')}.`);
  }
  if (!route || !known)
    throw new Refusal(404, 'endpoint-not-found', `There is no ${request.method} ${path}.`);
  if (host.recordRequests) host.requests.push({ endpoint: route.name, path: pathAndQuery, body });
  await suffer(host, route.name, response);
  if (response.destroyed) return;
  const parsed = route.endpoint.body && !isOlder ? route.endpoint.body.parse(body) : body;
  const parameters = Object.fromEntries(
    Object.entries(route.pattern.exec(path)?.groups ?? {}).map(([key, value]) => [
      key,
      decodeURIComponent(value),
    ]),
  );
  const handler = handlers[route.name];
  if (!handler) throw new Refusal(501, 'not-simulated', `${route.name} is not simulated.`);
  const document = handler(host, parameters, parsed, new URLSearchParams(query));
  send(response, route.endpoint.status, asVersion(version, route.name, document));
}

async function suffer(host: FakeHost, name: string, response: ServerResponse): Promise<void> {
  if (host.delayMs > 0) await pause(host.delayMs);
  const refusal = host.refusals.get(name);
  if (refusal) {
    host.refusals.delete(name);
    throw new Refusal(refusal.status, refusal.code, refusal.message, refusal.retryable);
  }
  switch (host.faults.get(name) ?? host.faults.get('*')) {
    case 'hang':
      await new Promise((resolve) => response.on('close', resolve));
      return;
    case 'error':
      throw new Refusal(500, 'internal', 'The simulated agent is broken.');
    case 'garbled':
      send(response, 200, { id: 7, surprise: true });
      throw new Refusal(500, 'internal', 'It was answered already.');
    case 'refuse':
      response.destroy();
      return;
    default:
  }
}

type Handler = (host: FakeHost, path: Parameters, body: unknown, query: URLSearchParams) => unknown;
type Body<K extends Name> = (typeof agentEndpointsV4)[K]['body'] extends z.ZodType
  ? z.output<(typeof agentEndpointsV4)[K]['body']>
  : never;

const handlers: { readonly [K in Name]?: Handler } = {
  getHost: (host) => host.describe(),
  getCompatibility: (host) => ({
    schema: 'drover.compatibility',
    version: 1,
    body: host.describe().compatibility,
  }),
  listVmms: (host) => ({ items: [...host.vmms.values()].map((vmm) => told(host, vmm)) }),
  getVmm: (host, { vmm = '' }) => told(host, findVmm(host, vmm)),
  acknowledgeVmm(host, { vmm = '' }, body) {
    const found = findVmm(host, vmm);
    const { generation } = body as Body<'acknowledgeVmm'>;
    const forgotten = found.ended !== null && BigInt(generation) >= BigInt(found.state.generation);
    if (forgotten) host.vmms.delete(vmm);
    return { forgotten };
  },
  listInstances: (host) => ({
    items: [...host.instances.values()].map((instance) => viewOf(host, instance)),
  }),
  getInstance: (host, { instance = '' }) => viewOf(host, findInstance(host, instance)),
  createInstance(host, _path, body) {
    const { id = randomUUID(), spec, start } = body as Body<'createInstance'>;
    const read = readInstanceSpec(spec);
    if (host.instances.has(id))
      throw new Refusal(409, 'instance-already-here', `Instance ${id} is here already.`);
    const instance = host.addInstance(read, { id, life: start ? 'running' : 'stopped' });
    host.ring(instance.vmmId);
    return viewOf(host, instance);
  },
  startInstance(host, { instance = '' }) {
    const found = findInstance(host, instance);
    const vmm = findVmm(host, found.vmmId);
    if (vmm.state.life === 'stopped' || vmm.state.life === 'failed') {
      host.publish(found.vmmId, { life: 'running', pid: 4_242, error: null });
    }
    return viewOf(host, found);
  },
  stopInstance(host, { instance = '' }, body) {
    const found = findInstance(host, instance);
    checkVmm(found, (body as Body<'stopInstance'> | null)?.vmm);
    if (findVmm(host, found.vmmId).state.life !== 'stopped') {
      host.publish(found.vmmId, { life: 'stopped', pid: null });
    }
    return viewOf(host, found);
  },
  deleteInstance(host, { instance = '' }, _body, query) {
    const found = findInstance(host, instance);
    checkVmm(found, query.get('vmm') ?? undefined);
    const { life } = findVmm(host, found.vmmId).state;
    if (life !== 'stopped' && life !== 'failed') {
      throw new Refusal(409, 'instance-not-stopped', `Instance ${found.name} is ${life}.`);
    }
    host.instances.delete(found.id);
    host.end(found.vmmId, 'deleted');
    return { deleted: true };
  },
  getInstanceLog: (host, { instance = '' }) => `log of ${findInstance(host, instance).name}\n`,
  checkPreflight(host, _path, body) {
    const asked = body as Body<'checkPreflight'>;
    return {
      findings: host.preflight?.(asked) ?? [],
      cpu: asked.role === 'source' ? host.guestCpu : null,
    };
  },
  startMigration(host, _path, body) {
    const wish = body as Body<'startMigration'>;
    const id = wish.id ?? randomUUID();
    const there = host.migrations.get(id);
    if (there) {
      if (JSON.stringify(there.wish) === JSON.stringify(wish)) return there.view();
      throw new Refusal(409, 'migration-id-taken', `Migration ${id} is another one.`);
    }
    return FakeMigration.begin(host, findInstance(host, wish.instance), id, wish).view();
  },
  listMigrations: (host) => ({ items: [...host.migrations.values()].map((each) => each.view()) }),
  getMigration: (host, { migration = '' }) => findMigration(host, migration).view(host),
  cancelMigration: (host, { migration = '' }) => findMigration(host, migration).cancel(),
  getOwnership: (host, { migration = '' }) => findMigration(host, migration).ownership(host),
  resolveMigration: (host, { migration = '' }, body) =>
    findMigration(host, migration).resolve(host, body as Body<'resolveMigration'>),
};

function findVmm(host: FakeHost, id: string) {
  const found = host.vmms.get(id);
  if (found) return found;
  throw new Refusal(404, 'vmm-not-found', `This host has no VMM ${id}.`);
}

function findInstance(host: FakeHost, idOrName: string): FakeInstance {
  const found =
    host.instances.get(idOrName) ?? [...host.instances.values()].find(({ name }) => name === idOrName);
  if (found) return found;
  throw new Refusal(404, 'instance-not-found', `This host has no instance ${idOrName}.`);
}

function findMigration(host: FakeHost, id: string): FakeMigration {
  const found = host.migrations.get(id);
  if (found) return found;
  throw new Refusal(404, 'migration-not-found', `This host has no migration ${id}.`);
}

function checkVmm(instance: FakeInstance, vmm: string | undefined): void {
  if (vmm === undefined || vmm === instance.vmmId) return;
  throw new Refusal(409, 'vmm-not-current', `Instance ${instance.name} has VMM ${instance.vmmId} now.`);
}

function viewOf(host: FakeHost, instance: FakeInstance) {
  const { state } = findVmm(host, instance.vmmId);
  return {
    id: instance.id,
    name: instance.name,
    spec: instance.spec,
    state,
    consoleSocket: null,
    logFile: null,
  };
}

function told(host: FakeHost, vmm: VmmViewV3): VmmViewV3 {
  if (host.faults.get('*') !== 'old-generations') return vmm;
  const generation = BigInt(vmm.state.generation);
  return {
    ...vmm,
    state: { ...vmm.state, life: 'failed', generation: String(generation > 3n ? generation - 3n : 0n) },
  };
}

/** The documents of an older version, for as far as a control plane asks for them. */
function asVersion(version: string, name: Name, document: unknown): unknown {
  if (version === '4.0.0' || typeof document !== 'object' || document === null) return document;
  if (name === 'checkPreflight') {
    const { cpu: _cpu, ...older } = document as PreflightV4;
    return older;
  }
  if (version === '3.0.0') return document;
  if (name === 'getHost') {
    const { cpu: _cpu, capacity: _capacity, ...older } = document as ReturnType<FakeHost['describe']>;
    if (version === '2.0.0') return older;
    const plain = writeHost({ ...older, cpu: null, capacity: null, compatibility: impliedByV1(older) }, [1]);
    return plain.body;
  }
  if (version === '2.0.0') return document;
  const view = (each: ReturnType<typeof viewOf>) => ({
    ...each,
    spec: writeInstanceSpec(each.spec, [1]).body,
    state: writeVmmState(each.state, [1]).body,
  });
  if (name === 'listInstances')
    return { items: (document as { items: ReturnType<typeof viewOf>[] }).items.map(view) };
  return 'spec' in document ? view(document as ReturnType<typeof viewOf>) : document;
}

/** What version 1 of a description can say. */
function impliedByV1({
  name,
  release,
  compatibility,
  drivers,
}: Omit<ReturnType<FakeHost['describe']>, 'cpu' | 'capacity'>) {
  return {
    ...compatibility,
    release,
    host: name,
    hostDescription: [1],
    migrationReport: [1],
    deviceStates: { 'qemu-stream': [1] },
    capabilities: [],
    agentApi: ['1.0.0'],
    cloudHypervisorWire: [],
    drivers: drivers.map((driver) => ({
      name: driver.name,
      version: driver.version,
      machineTypes: [],
      accelerators: ['tcg'],
      ramModes: [...driver.ramModes],
    })),
  };
}

function send(response: ServerResponse, status: number, document: unknown): void {
  const text = typeof document === 'string' ? document : JSON.stringify(document);
  response.writeHead(status, {
    'content-type': typeof document === 'string' ? 'text/plain' : 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}
