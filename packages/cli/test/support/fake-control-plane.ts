import type { ServerResponse } from 'node:http';
import { type FleetEvent, NEWEST_PUBLIC_API_VERSION, publicEndpoints } from '@drover/protocol';
import { onTestFinished } from 'vitest';
import { type Asked, type Refusal, sendEvent, startContractServer } from './contract-server.js';
import {
  AT,
  drainView,
  fleetInstance,
  fleetMigration,
  hostView,
  plan,
  preflight,
} from './fleet-documents.js';

type EndpointName = keyof typeof publicEndpoints;

export interface FakeControlPlaneScript {
  readonly refusals?: Partial<Record<EndpointName, Refusal>>;
  /** Instead of the usual document. */
  readonly documents?: Partial<Record<EndpointName, (asked: Asked<EndpointName>) => unknown>>;
  /** What a migration's stream sends; it ends with it, or where the last one is no end stays open. */
  readonly migrationEvents?: readonly FleetEvent[];
  /** What a migration's stream sends once a cancel was asked for. */
  readonly afterCancel?: FleetEvent;
  /** What the stream of everything sends. */
  readonly events?: readonly FleetEvent[];
}

export interface FakeControlPlane {
  readonly url: string;
  readonly requests: readonly Asked<EndpointName>[];
  asked(): readonly EndpointName[];
  close(): Promise<void>;
}

/** A control plane with two hosts, one instance and one migration. */
export async function startFakeControlPlane(script: FakeControlPlaneScript = {}): Promise<FakeControlPlane> {
  const streams = new Set<ServerResponse>();
  const page = (...items: readonly unknown[]) => ({ items, nextCursor: null });
  const documents: FakeControlPlaneScript['documents'] = {
    listHosts: () => page(hostView('a'), hostView('b')),
    getHost: () => hostView('a'),
    labelHost: ({ body }) => ({ ...hostView('a'), ...(body as object) }),
    drainHost: () => drainView(['waiting', 'waiting']),
    undrainHost: () => hostView('a'),
    markHostLost: () => hostView('a', { state: 'lost', reason: 'It burnt.' }),
    forgetHost: () => ({ deleted: true }),
    createInstance: () => ({ ...fleetInstance, vmm: null }),
    listInstances: () => page(fleetInstance),
    getInstance: () => fleetInstance,
    startInstance: () => fleetInstance,
    stopInstance: () => ({ ...fleetInstance, desired: 'stopped' }),
    deleteInstance: () => ({ deleted: true }),
    getInstanceLog: () => 'line 0\n',
    createMigration: () => fleetMigration(0, { state: 'waiting' }),
    listMigrations: () => page(fleetMigration(3)),
    getMigration: () => fleetMigration(3),
    cancelMigration: () => {
      for (const stream of streams) if (script.afterCancel) sendEvent(stream, 1000, script.afterCancel);
      return fleetMigration(3, { cancelRequested: true });
    },
    resolveMigration: () => fleetMigration(4),
    checkPreflight: () => ({ results: preflight }),
    listDrains: () => page(drainView(['moved', 'moving'])),
    getDrain: () => drainView(['moved', 'moving']),
    planFleet: () => plan,
    listAudit: () =>
      page({
        id: '7',
        at: AT,
        actor: 'root@desk',
        action: 'drain',
        target: 'host/a',
        detail: {},
        outcome: 'accepted',
      }),
    ...script.documents,
  };
  const contract = await startContractServer<EndpointName>({
    endpoints: publicEndpoints,
    version: NEWEST_PUBLIC_API_VERSION,
    refusals: script.refusals ?? {},
    answer: (asked) => documents[asked.endpoint]?.(asked),
    stream({ endpoint }, response) {
      const events = endpoint === 'watchEvents' ? script.events : script.migrationEvents;
      (events ?? []).forEach((event, index) => {
        sendEvent(response, index + 1, event);
      });
      if (endpoint === 'watchMigration') streams.add(response);
    },
  });
  const { url, requests, close } = contract;
  return { url, requests, close, asked: () => requests.map(({ endpoint }) => endpoint) };
}

/** A control plane that ends with the test, and the flag that names it. */
export async function controlPlaneOfTest(
  script: FakeControlPlaneScript,
): Promise<FakeControlPlane & { readonly at: readonly string[] }> {
  const server = await startFakeControlPlane(script);
  onTestFinished(() => server.close());
  return { ...server, at: ['--control-plane', server.url] };
}
