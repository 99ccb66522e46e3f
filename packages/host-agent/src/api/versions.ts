/**
 * The version in which a request is asked: the header `api-version`; on a WebSocket also the query, for there a browser can set no
 * header. A request that names none means {@link DEFAULT_AGENT_API_VERSION}.
 *
 * Each endpoint is a route of its own in every version that has it; the router picks by this.
 */
import type { IncomingMessage } from 'node:http';
import {
  AGENT_API_VERSIONS,
  type AgentApiVersion,
  API_VERSION_HEADER,
  DEFAULT_AGENT_API_VERSION,
} from '@drover/protocol';
import type { FastifyServerOptions } from 'fastify';
import { hostAgentErrors } from '../errors.js';

/** What a request names; null where it names nothing. */
export function namedVersion(request: Pick<IncomingMessage, 'headers' | 'url'>): string | null {
  const header = request.headers[API_VERSION_HEADER];
  if (header !== undefined) return String(header);
  if (request.headers.upgrade === undefined) return null;
  // Not by URL, which throws for some paths: the router asks for every request, before anything could catch that (R6).
  const [, query = ''] = (request.url ?? '').split('?', 2);
  return new URLSearchParams(query).get(API_VERSION_HEADER);
}

/** Errors: `api-version-unknown`, which lists what is served. */
export function servedVersion(named: string | null): AgentApiVersion {
  if (named === null) return DEFAULT_AGENT_API_VERSION;
  const found = AGENT_API_VERSIONS.find((version) => version === named);
  if (found) return found;
  throw hostAgentErrors.error(
    'api-version-unknown',
    `This agent does not serve API version ${JSON.stringify(named.slice(0, 32))}; it serves ${AGENT_API_VERSIONS.join(', ')}.`,
  );
}

type Constraints = NonNullable<NonNullable<FastifyServerOptions['routerOptions']>['constraints']>;

/** How the router is told: a route with `constraints: { apiVersion: '1.0.0' }` is for requests by that version alone. */
export const versionConstraint: Constraints = {
  apiVersion: {
    name: 'apiVersion',
    storage() {
      const handlers = new Map<unknown, never>();
      return {
        get: (version) => handlers.get(version) ?? null,
        set: (version, handler) => void handlers.set(version, handler as never),
      };
    },
    validate() {},
    deriveConstraint: (request) => namedVersion(request) ?? DEFAULT_AGENT_API_VERSION,
  },
};
