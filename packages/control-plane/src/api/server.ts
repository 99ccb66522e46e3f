/**
 * The public API over HTTP, in every version that is served, and beside it the doorbell and the upcall. Every route comes from a contract's
 * table; validation, versions, errors and the audit trail are the same for all. `/`, `/healthz`, `/readyz` and `/metrics` need no version.
 */
import type { AddressInfo } from 'node:net';
import {
  ACTOR_HEADER,
  API_VERSION_HEADER,
  CONTROL_PLANE_SERVICE,
  formatHostPort,
  PUBLIC_API_VERSIONS,
  publicApi,
  routePattern,
} from '@drover/protocol';
import type { ApiVersion } from '@drover/protocol/http';
import { checkShape, DOCUMENT_LIMITS, parseStrictJson, RELEASE } from '@drover/types';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { serializerCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ControlPlaneParts } from '../control-plane.js';
import { controlPlaneErrors } from '../errors.js';
import { type Asked, isAudited, writeAudit } from './audit.js';
import { doorbellRoutes } from './doorbell-routes.js';
import { eventRoutes } from './event-routes.js';
import { toFailure } from './failures.js';
import { createHandlers } from './handlers/index.js';
import { namedVersion, servedVersion, versionConstraint } from './versions.js';

/** How long a client may take to send its request, ms. */
const REQUEST_TIMEOUT_MS = 30_000;

export interface ApiServer {
  readonly url: string;
  /** Ends streams, lets requests under way finish, and cuts what is left after `timeoutMs`. */
  close(timeoutMs: number): Promise<void>;
}

/** Errors: `listen-address-in-use`, `listen-failed`. */
export async function startApiServer(
  parts: ControlPlaneParts,
  listen: { readonly host: string; readonly port: number },
): Promise<ApiServer> {
  const app = await createApp(parts);
  try {
    await app.listen(listen);
  } catch (cause) {
    await app.close();
    throw listenError(listen, cause);
  }
  const { port } = app.server.address() as AddressInfo;
  return {
    url: `http://${formatHostPort({ host: reachable(listen.host), port })}`,
    async close(timeoutMs) {
      parts.streams.close();
      const cut = setTimeout(() => app.server.closeAllConnections(), timeoutMs);
      await app.close();
      clearTimeout(cut);
    },
  };
}

async function createApp(parts: ControlPlaneParts): Promise<FastifyInstance> {
  const { logger } = parts;
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
    return { error: controlPlaneErrors.error('request-invalid', `${checked.sentence}.`) };
  });
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    // Many clients name a type also where they send nothing.
    if (text === '') return done(null, null);
    const parsed = parseStrictJson(String(text));
    if (parsed.ok) done(null, parsed.value);
    else done(controlPlaneErrors.error('request-invalid', `The request body ${parsed.message}.`));
  });
  app.setErrorHandler((thrown, request, reply) => {
    const { status, body, retryAfter } = toFailure(thrown);
    const level = status >= 500 && retryAfter === null ? 'error' : 'debug';
    logger[level]({ err: thrown, method: request.method, url: request.url }, 'request failed');
    if (retryAfter !== null) reply.header('retry-after', String(retryAfter));
    return reply.status(status).send(body);
  });
  app.setNotFoundHandler((request) => {
    const version = servedVersion(namedVersion(request.raw));
    const [path = ''] = request.url.split('?', 1);
    throw controlPlaneErrors.error(
      'endpoint-not-found',
      `There is no endpoint ${request.method} ${path.slice(0, 200)} in public API ${version}.`,
    );
  });
  unversionedRoutes(app, parts);
  doorbellRoutes(app as unknown as FastifyInstance, parts.doorbells);
  for (const version of publicApi.versions) {
    await app.register(async (versioned) => {
      versioned.addHook('onRequest', async (_request, reply) => {
        reply.header(API_VERSION_HEADER, version.version);
      });
      documentRoutes(versioned, version, parts);
      eventRoutes(versioned, version.version, parts);
    });
  }
  return app as unknown as FastifyInstance;
}

/** A path that cannot be decoded reaches no route. */
function refusePath(thrown: Error, _request: FastifyRequest, reply: FastifyReply): void {
  const { status, body } = toFailure(thrown);
  reply.status(status).send(body);
}

function unversionedRoutes(app: Pick<FastifyInstance, 'get'>, parts: ControlPlaneParts): void {
  app.get('/', async () => ({
    service: CONTROL_PLANE_SERVICE,
    release: RELEASE,
    apiVersions: [...PUBLIC_API_VERSIONS],
  }));
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async () => {
    parts.refuseWhenStopping();
    await parts.database.run((db) => db.selectFrom('schema_migrations').select('name').limit(1).execute(), {
      patienceMs: 0,
    });
    return { status: 'ready' };
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(await parts.metrics.text()),
  );
}

function documentRoutes(
  app: FastifyInstance,
  { version, endpoints }: ApiVersion,
  parts: ControlPlaneParts,
): void {
  // The table ties each handler to its schemas; here, over all of them at once, that tie cannot be written as a type.
  const handlers = createHandlers(parts) as Readonly<
    Record<string, ((call: object) => Promise<unknown>) | undefined>
  >;
  for (const [name, endpoint] of Object.entries(endpoints)) {
    const handler = handlers[name];
    if (!handler) continue;
    app.route({
      method: endpoint.method,
      url: routePattern(endpoint.path),
      constraints: { apiVersion: version },
      schema: {
        ...(endpoint.body ? { body: endpoint.body } : {}),
        ...(endpoint.query ? { querystring: endpoint.query } : {}),
        ...(endpoint.response instanceof z.ZodType
          ? { response: { [endpoint.status]: endpoint.response } }
          : {}),
      },
      // What is read was checked when it came in; to check a page once more costs more than all the rest of it.
      ...(endpoint.method === 'GET' ? { serializerCompiler: () => JSON.stringify } : {}),
      async handler(request, reply) {
        if (endpoint.method !== 'GET') parts.refuseWhenStopping();
        const asked: Asked = {
          endpoint: name,
          actor: actorOf(request),
          path: request.params as Record<string, string>,
          body: request.body ?? null,
        };
        const call = { path: asked.path, body: asked.body, query: request.query, actor: asked.actor };
        const answer = await audited(parts, asked, () => handler(call));
        if (endpoint.response === 'text') reply.type('text/plain; charset=utf-8');
        return reply.status(endpoint.status).send(answer);
      },
    });
  }
}

/** What was done stays done where the trail cannot be written; that is then said in the log. */
async function audited(
  parts: ControlPlaneParts,
  asked: Asked,
  work: () => Promise<unknown>,
): Promise<unknown> {
  if (!isAudited(asked.endpoint)) return work();
  // A host that only says that it lives asks for nothing.
  const sign =
    asked.endpoint === 'registerHost' && parts.registrar.isSignOfLife(asked.path.host ?? '', asked.body);
  if (sign) return work();
  const write = (answer: unknown) =>
    writeAudit(parts.database, asked, answer).catch((err: unknown) => {
      parts.logger.error({ err, ...asked }, 'the audit trail could not be written');
    });
  try {
    const answer = await work();
    await write(answer);
    return answer;
  } catch (thrown) {
    await write(thrown instanceof Error ? thrown : new Error(String(thrown)));
    throw thrown;
  }
}

function actorOf(request: FastifyRequest): string {
  const said = request.headers[ACTOR_HEADER];
  return typeof said === 'string' && said.trim() !== '' ? said.trim() : request.ip;
}

function listenError(
  { host, port }: { readonly host: string; readonly port: number },
  cause: unknown,
): Error {
  const code = cause instanceof Error && 'code' in cause ? cause.code : '';
  if (code === 'EADDRINUSE') {
    return controlPlaneErrors.error(
      'listen-address-in-use',
      `Another process listens on ${formatHostPort({ host, port })}; stop it, or choose another port.`,
      cause,
    );
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  return controlPlaneErrors.error(
    'listen-failed',
    `The control plane cannot listen on ${formatHostPort({ host, port })} (${why}); choose an address of this machine.`,
    cause,
  );
}

/** A wildcard address is none that a client can name. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
