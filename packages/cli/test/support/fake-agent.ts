import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import {
  API_VERSION_HEADER,
  agentEndpoints,
  type Endpoint,
  type MigrationEvent,
  type MigrationView,
  NEWEST_AGENT_API_VERSION,
} from '@drover/protocol';
import { writeCompatibility } from '@drover/types';
import { type WebSocket, WebSocketServer } from 'ws';
import { cancelled, compatibility, host, instance, migration } from './documents.js';

type EndpointName = keyof typeof agentEndpoints;

/** What the fake answers instead of its usual document. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

export interface FakeAgentScript {
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
  readonly requests: { readonly endpoint: EndpointName; readonly body: unknown }[];
  close(): Promise<void>;
}

/**
 * An agent that holds one instance and one migration and answers by the contract: what it takes and what it gives both pass the
 * contract's own schemas, so it cannot drift away from the real one.
 */
export async function startFakeAgent(script: FakeAgentScript = {}): Promise<FakeAgent> {
  const requests: FakeAgent['requests'] = [];
  const streams = new Set<ServerResponse>();
  let logReads = 0;
  let eventId = 0;

  const documents: Partial<Record<EndpointName, () => unknown>> = {
    getHost: () => host,
    getCompatibility: () => writeCompatibility(compatibility),
    listInstances: () => ({ items: [instance] }),
    createInstance: () => instance,
    getInstance: () => instance,
    startInstance: () => instance,
    stopInstance: () => ({ ...instance, state: { ...instance.state, life: 'stopped', pid: null } }),
    deleteInstance: () => ({ deleted: true }),
    startMigration: () => migration(),
    listMigrations: () => ({ items: [migration()] }),
    getMigration: () => migration(),
    cancelMigration: () => {
      const view = script.afterCancel ?? cancelled;
      for (const stream of streams) sendEvent(stream, { kind: 'ended', at: view.startedAt, migration: view });
      for (const stream of streams) stream.end();
      return view;
    },
  };

  function sendEvent(stream: ServerResponse, event: MigrationEvent): void {
    eventId += 1;
    stream.write(`id: ${eventId}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    const found = findEndpoint(request.method ?? '', url.pathname);
    if (found === null)
      return sendError(response, { status: 404, code: 'endpoint-not-found', message: url.pathname });
    const { name, endpoint } = found;
    if (request.headers[API_VERSION_HEADER] !== NEWEST_AGENT_API_VERSION) {
      return sendError(response, {
        status: 400,
        code: 'api-version-missing',
        message: 'The version is missing.',
      });
    }
    const text = await readAll(request);
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    requests.push({ endpoint: name, body });
    const invalid = endpoint.body === null ? undefined : endpoint.body.safeParse(body).error;
    if (invalid)
      return sendError(response, { status: 400, code: 'request-invalid', message: invalid.message });
    const refusal = script.refusals?.[name];
    if (refusal) return sendError(response, refusal);
    if (endpoint.response === 'text') {
      response.writeHead(200, { 'content-type': 'text/plain' }).end(script.log?.(logReads++) ?? '');
    } else if (endpoint.response === 'sse') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const events = script.events ?? [];
      for (const event of events) sendEvent(response, event);
      if (events.at(-1)?.kind === 'ended') response.end();
      else streams.add(response);
    } else if (typeof endpoint.response !== 'string') {
      const document = endpoint.response.parse(documents[name]?.());
      response
        .writeHead(endpoint.status, { 'content-type': 'application/json' })
        .end(JSON.stringify(document));
    }
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((thrown: unknown) => {
      sendError(response, { status: 500, code: 'internal', message: String(thrown) });
    });
  });
  const consoles = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const refusal = script.refusals?.openConsole;
    if (refusal) {
      const body = JSON.stringify({ error: { ...refusal, retryable: false } });
      const length = Buffer.byteLength(body);
      socket.end(`HTTP/1.1 ${refusal.status} Refused\r\ncontent-length: ${length}\r\n\r\n${body}`);
      return;
    }
    consoles.handleUpgrade(request, socket, head, (client) => script.onConsole?.(client));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        for (const client of consoles.clients) client.terminate();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function findEndpoint(method: string, path: string): { name: EndpointName; endpoint: Endpoint } | null {
  for (const [name, endpoint] of Object.entries(agentEndpoints) as [EndpointName, Endpoint][]) {
    const pattern = new RegExp(`^${endpoint.path.replace(/\{\w+\}/g, '[^/]+')}$`);
    if (endpoint.method === method && pattern.test(path)) return { name, endpoint };
  }
  return null;
}

function sendError(response: ServerResponse, { status, code, message }: Refusal): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(JSON.stringify({ error: { code, message, retryable: false } }));
}
