/**
 * The agent API over HTTP, in every version that is served. Every route comes from a contract's table; validation, versions and
 * errors are the same for all. Beside the contracts: `/`, `/healthz`, `/readyz` and `/metrics`, which need no version.
 */
import type { AddressInfo, Socket } from 'node:net';
import {
  type AgentApiVersion,
  API_VERSION_HEADER,
  agentEndpoints,
  formatHostPort,
  routePattern,
} from '@drover/protocol';
import { checkShape, DOCUMENT_LIMITS, parseStrictJson } from '@drover/types';
import websocket from '@fastify/websocket';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { serializerCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { hostAgentErrors } from '../errors.js';
import type { AgentParts } from '../host-agent.js';
import { listenError } from '../peers/peer-server.js';
import { bridge, connectConsole } from './console.js';
import { type ServedContract, servedContracts } from './contracts.js';
import { EventStreams } from './event-stream.js';
import { toFailure } from './failures.js';
import { createHandlers, greeting, type Handlers } from './handlers.js';
import { namedVersion, servedVersion, versionConstraint } from './versions.js';

/** Longest message that a console takes from a client, bytes. */
const CONSOLE_MESSAGE_BYTES = 64 * 1024;
/** How long a client may take to send its request, ms. */
const REQUEST_TIMEOUT_MS = 30_000;

export interface ApiServerOptions {
  readonly host: string;
  readonly port: number;
  readonly heartbeatMs: number;
}

export interface ApiServer {
  readonly url: string;
  /** Ends streams and consoles, lets requests under way finish, and cuts what is left after `timeoutMs`. */
  close(timeoutMs: number): Promise<void>;
}

/** Errors: `listen-address-in-use`, `listen-failed`. */
export async function startApiServer(agent: AgentParts, options: ApiServerOptions): Promise<ApiServer> {
  const streams = new EventStreams(options.heartbeatMs);
  const app = await createApp(agent, streams);
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (cause) {
    await app.close();
    throw listenError('the API', options.host, options.port, cause);
  }
  const { port } = app.server.address() as AddressInfo;
  return {
    url: `http://${formatHostPort({ host: reachable(options.host), port })}`,
    async close(timeoutMs) {
      streams.close();
      const cut = setTimeout(() => app.server.closeAllConnections(), timeoutMs);
      await app.close();
      clearTimeout(cut);
    },
  };
}

async function createApp(agent: AgentParts, streams: EventStreams): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    bodyLimit: DOCUMENT_LIMITS.maxBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    frameworkErrors: refusePath,
    // A name may be 253 bytes before it is escaped.
    routerOptions: { maxParamLength: 1024, constraints: versionConstraint },
  }).withTypeProvider<ZodTypeProvider>();
  app.setSerializerCompiler(serializerCompiler);
  app.setValidatorCompiler(({ schema, httpPart }) => (value: unknown) => {
    const checked = checkShape(schema as z.ZodType, value, httpPart ?? 'request');
    if (checked.ok) return { value: checked.value };
    return { error: hostAgentErrors.error('request-invalid', `${checked.sentence}.`) };
  });
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    const parsed = parseStrictJson(String(text));
    if (parsed.ok) done(null, parsed.value);
    else done(hostAgentErrors.error('request-invalid', `The request body ${parsed.message}.`));
  });
  app.setErrorHandler((thrown, request, reply) => {
    const { status, body } = toFailure(thrown);
    const level = status >= 500 ? 'error' : 'debug';
    agent.logger[level]({ err: thrown, method: request.method, url: request.url }, 'request failed');
    return reply.status(status).send(body);
  });
  app.setNotFoundHandler((request) => {
    const named = namedVersion(request.raw);
    const version = servedVersion(named);
    const [path = ''] = request.url.split('?', 1);
    const by = named === null ? `${version}, which a request without ${API_VERSION_HEADER} means` : version;
    throw hostAgentErrors.error(
      'endpoint-not-found',
      `There is no endpoint ${request.method} ${path.slice(0, 200)} in agent API ${by}.`,
    );
  });
  await app.register(websocket, { options: { maxPayload: CONSOLE_MESSAGE_BYTES } });
  unversionedRoutes(app, agent);
  const handlers = createHandlers(agent);
  for (const contract of servedContracts) {
    await app.register(async (versioned) => {
      versioned.addHook('onRequest', async (_request, reply) => {
        reply.header(API_VERSION_HEADER, contract.version);
      });
      documentRoutes(versioned, contract, handlers);
      eventRoute(versioned, contract, agent, streams);
      consoleRoute(versioned, contract.version, agent);
    });
  }
  return app;
}

/** A path that cannot be decoded reaches no route, and so none of the hooks that would let an upgraded connection go. */
function refusePath(thrown: Error, request: FastifyRequest, reply: FastifyReply): void {
  if (request.raw.headers.upgrade !== undefined) {
    reply.raw.once('finish', () => request.raw.socket.destroy());
  }
  const { status, body } = toFailure(thrown);
  reply.status(status).send(body);
}

function unversionedRoutes(app: FastifyInstance, agent: AgentParts): void {
  app.get('/', async () => greeting());
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async () => {
    agent.refuseWhenStopping();
    agent.journal.refuseWhenFailed();
    return { status: 'ready' };
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(await agent.metrics.text()),
  );
}

/** Endpoints that change an instance and answer with it. */
const CHANGE_AND_SHOW: readonly string[] = ['startInstance', 'stopInstance'] satisfies (keyof Handlers)[];

function documentRoutes(app: FastifyInstance, contract: ServedContract, handlers: Handlers): void {
  // The table ties each handler to its schemas; here, over all of them at once, that tie cannot be written as a type.
  const byName = handlers as unknown as Readonly<Record<string, (call: object) => Promise<unknown>>>;
  for (const [name, endpoint] of Object.entries(contract.endpoints)) {
    const handler = byName[name];
    if (!handler) continue;
    app.route({
      method: endpoint.method,
      url: routePattern(endpoint.path),
      constraints: { apiVersion: contract.version },
      schema: {
        ...(endpoint.body ? { body: endpoint.body } : {}),
        ...(endpoint.query ? { querystring: endpoint.query } : {}),
        ...(endpoint.response instanceof z.ZodType
          ? { response: { [endpoint.status]: endpoint.response } }
          : {}),
      },
      async handler(request, reply) {
        const { params, query } = request;
        const body = contract.body(name, request.body ?? null);
        // What could not be shown afterwards is refused before anything is done (R7).
        if (contract.mayRefuse && CHANGE_AND_SHOW.includes(name)) {
          contract.answer('getInstance', await byName.getInstance?.({ path: params }));
        }
        const answer = contract.answer(name, await handler({ path: params, body, query }));
        if (endpoint.response === 'text') reply.type('text/plain; charset=utf-8');
        return reply.status(endpoint.status).send(answer);
      },
    });
  }
}

function eventRoute(
  app: FastifyInstance,
  contract: ServedContract,
  agent: AgentParts,
  streams: EventStreams,
): void {
  app.get<{ Params: { migration: string } }>(
    routePattern(agentEndpoints.watchMigration.path),
    { constraints: { apiVersion: contract.version } },
    async (request, reply) => {
      const migration = await agent.store.find(request.params.migration);
      const last = Number(request.headers['last-event-id'] ?? 0);
      reply.hijack();
      streams.serve(reply.raw, migration, Number.isSafeInteger(last) ? last : 0, contract);
    },
  );
}

function consoleRoute(app: FastifyInstance, version: AgentApiVersion, agent: AgentParts): void {
  const sockets = new WeakMap<FastifyRequest, Socket>();
  app.route<{ Params: { instance: string } }>({
    method: 'GET',
    url: routePattern(agentEndpoints.openConsole.path),
    constraints: { apiVersion: version },
    websocket: true,
    async preHandler(request) {
      const instance = agent.registry.find(request.params.instance);
      if (!request.ws) {
        throw hostAgentErrors.error(
          'request-invalid',
          `The console of ${instance.name} is a WebSocket; ask for an upgrade.`,
        );
      }
      const console = await connectConsole(instance);
      request.raw.socket.once('close', () => console.destroy());
      sockets.set(request, console);
    },
    handler(webSocket, request) {
      const socket = sockets.get(request);
      if (socket) bridge(webSocket, socket);
    },
  });
}

/** A wildcard address is none that a client can name. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
