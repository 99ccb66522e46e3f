import type { ServerResponse } from 'node:http';
import {
  agentEndpoints,
  type MigrationEvent,
  type MigrationView,
  NEWEST_AGENT_API_VERSION,
} from '@drover/protocol';
import { writeCompatibility } from '@drover/types';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Asked, type Refusal, sendEvent, startContractServer } from './contract-server.js';
import { cancelled, compatibility, failed, host, INSTANCE_ID, instance, migration } from './documents.js';

type EndpointName = keyof typeof agentEndpoints;

export interface FakeAgentScript {
  /** What the migration is when it is looked at. */
  readonly migration?: MigrationView;
  /** What it is once an operator has decided. */
  readonly afterResolve?: MigrationView;
  /** Refused whatever is asked. */
  readonly refusals?: Partial<Record<EndpointName, Refusal>>;
  /** Events of the migration; where the last one is no end, the stream stays open until a cancel. */
  readonly events?: readonly MigrationEvent[];
  /** What the migration is once a cancel was asked for. */
  readonly afterCancel?: MigrationView;
  /** The log, as a function of how often it was asked for. */
  readonly log?: (reads: number) => string;
  readonly onConsole?: (socket: WebSocket) => void;
}

export interface FakeAgent {
  readonly url: string;
  /** What was asked, in order. */
  readonly requests: readonly Asked<EndpointName>[];
  close(): Promise<void>;
}

/** An agent that holds one instance and one migration. */
export async function startFakeAgent(script: FakeAgentScript = {}): Promise<FakeAgent> {
  const { refusals = {} } = script;
  const streams = new Set<ServerResponse>();
  let logReads = 0;
  let eventId = 0;

  function send(stream: ServerResponse, event: MigrationEvent): void {
    eventId += 1;
    sendEvent(stream, eventId, event);
  }

  const documents: Partial<Record<EndpointName, () => unknown>> = {
    getHost: () => host,
    getCompatibility: () => writeCompatibility(compatibility),
    listInstances: () => ({ items: [instance] }),
    createInstance: () => instance,
    getInstance: () => instance,
    startInstance: () => instance,
    stopInstance: () => ({ ...instance, state: { ...instance.state, life: 'stopped', pid: null } }),
    deleteInstance: () => ({ deleted: true }),
    getInstanceLog: () => script.log?.(logReads++) ?? '',
    startMigration: () => migration(),
    listMigrations: () => ({ items: [migration()] }),
    getMigration: () => script.migration ?? migration(),
    getOwnership: () => ({
      source: { instanceId: INSTANCE_ID, state: 'relinquished', epoch: '2' },
      destination: null,
    }),
    resolveMigration: () => script.afterResolve ?? failed,
    cancelMigration: () => {
      const view = script.afterCancel ?? cancelled;
      for (const stream of streams) send(stream, { kind: 'ended', at: view.startedAt, migration: view });
      for (const stream of streams) stream.end();
      return view;
    },
  };

  const contract = await startContractServer<EndpointName>({
    endpoints: agentEndpoints,
    version: NEWEST_AGENT_API_VERSION,
    refusals,
    answer: ({ endpoint }) => documents[endpoint]?.(),
    stream(_, response) {
      const events = script.events ?? [];
      for (const event of events) send(response, event);
      if (events.at(-1)?.kind === 'ended') response.end();
      else streams.add(response);
    },
  });
  const consoles = new WebSocketServer({ noServer: true });
  contract.server.on('upgrade', (request, socket, head) => {
    const refusal = refusals.openConsole;
    if (refusal) {
      const body = JSON.stringify({ error: { ...refusal, retryable: false } });
      const length = Buffer.byteLength(body);
      socket.end(`HTTP/1.1 ${refusal.status} Refused\r\ncontent-length: ${length}\r\n\r\n${body}`);
      return;
    }
    consoles.handleUpgrade(request, socket, head, (client) => script.onConsole?.(client));
  });
  return {
    url: contract.url,
    requests: contract.requests,
    close() {
      for (const client of consoles.clients) client.terminate();
      return contract.close();
    },
  };
}
