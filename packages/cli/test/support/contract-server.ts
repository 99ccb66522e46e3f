import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import { API_VERSION_HEADER, type Endpoint, type Endpoints } from '@drover/protocol';

/** What a server answers instead of its usual document. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** One request that the contract knows. */
export interface Asked<Name extends string> {
  readonly endpoint: Name;
  readonly body: unknown;
  /** Path parameters in order, decoded. */
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
}

export interface ContractOptions<Name extends string> {
  readonly endpoints: Endpoints;
  readonly version: string;
  /** Refused whatever is asked. */
  readonly refusals: Partial<Record<Name, Refusal>>;
  /** The document or text that is answered; may throw a {@link Refused}. */
  answer(asked: Asked<Name>): unknown;
  /** Writes events to a stream, and ends it or keeps it. */
  stream(asked: Asked<Name>, response: ServerResponse): void;
}

export class Refused extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

export interface ContractServer<Name extends string> {
  readonly url: string;
  readonly server: Server;
  /** What was asked, in order. */
  readonly requests: Asked<Name>[];
  close(): Promise<void>;
}

/**
 * An HTTP server that answers by a contract: what it takes and what it gives both pass the contract's own schemas, so it cannot drift
 * away from the real one.
 */
export async function startContractServer<Name extends string>(
  options: ContractOptions<Name>,
): Promise<ContractServer<Name>> {
  const requests: Asked<Name>[] = [];

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    const found = findEndpoint<Name>(options.endpoints, request.method ?? '', url.pathname);
    if (found === null) return sendError(response, 404, 'endpoint-not-found', url.pathname);
    const { name, endpoint, path } = found;
    if (request.headers[API_VERSION_HEADER] !== options.version) {
      return sendError(response, 400, 'api-version-missing', 'The version is missing.');
    }
    const text = await readAll(request);
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    const query = Object.fromEntries(url.searchParams);
    const asked = { endpoint: name, body, path, query, headers: request.headers };
    requests.push(asked);
    const invalid =
      endpoint.body?.safeParse(body).error ??
      (endpoint.query?.safeParse(query) ?? { error: undefined }).error;
    if (invalid) return sendError(response, 400, 'request-invalid', invalid.message);
    const refusal = options.refusals[name];
    if (refusal) return sendError(response, refusal.status, refusal.code, refusal.message);
    if (endpoint.response === 'sse') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      options.stream(asked, response);
    } else if (endpoint.response === 'text') {
      response.writeHead(200, { 'content-type': 'text/plain' }).end(options.answer(asked));
    } else if (typeof endpoint.response !== 'string') {
      const document = endpoint.response.parse(options.answer(asked));
      response
        .writeHead(endpoint.status, { 'content-type': 'application/json' })
        .end(JSON.stringify(document));
    }
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((thrown: unknown) => {
      const { status, code, message } =
        thrown instanceof Refused
          ? thrown.refusal
          : { status: 500, code: 'internal', message: String(thrown) };
      sendError(response, status, code, message);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    server,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** One server-sent event as the services write it. */
export function sendEvent(stream: ServerResponse, id: number, event: { readonly kind: string }): void {
  stream.write(`id: ${id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
}

function findEndpoint<Name extends string>(
  endpoints: Endpoints,
  method: string,
  path: string,
): { name: Name; endpoint: Endpoint; path: string[] } | null {
  for (const [name, endpoint] of Object.entries(endpoints)) {
    const match = new RegExp(`^${endpoint.path.replace(/\{\w+\}/g, '([^/]+)')}$`).exec(path);
    if (endpoint.method === method && match) {
      return { name: name as Name, endpoint, path: match.slice(1).map(decodeURIComponent) };
    }
  }
  return null;
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(JSON.stringify({ error: { code, message, retryable: false } }));
}
