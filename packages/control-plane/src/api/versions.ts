/** The version in which a request is asked: the header `api-version`; without it the oldest is meant. The router picks a route by it. */
import type { IncomingMessage } from 'node:http';
import { API_VERSION_HEADER, PUBLIC_API_VERSIONS, type PublicApiVersion } from '@drover/protocol';
import type { FastifyServerOptions } from 'fastify';
import { controlPlaneErrors } from '../errors.js';

export function namedVersion(request: Pick<IncomingMessage, 'headers'>): string | null {
  const header = request.headers[API_VERSION_HEADER];
  return header === undefined ? null : String(header);
}

/** Errors: `api-version-unknown`, which lists what is served. */
export function servedVersion(named: string | null): PublicApiVersion {
  if (named === null) return PUBLIC_API_VERSIONS[0];
  const found = PUBLIC_API_VERSIONS.find((version) => version === named);
  if (found) return found;
  throw controlPlaneErrors.error(
    'api-version-unknown',
    `This control plane does not serve version ${JSON.stringify(named.slice(0, 32))} of the public API; it serves ${PUBLIC_API_VERSIONS.join(', ')}.`,
  );
}

type Constraints = NonNullable<NonNullable<FastifyServerOptions['routerOptions']>['constraints']>;

/** A route with `constraints: { apiVersion: '1.0.0' }` is for requests by that version alone. */
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
    deriveConstraint: (request) => namedVersion(request) ?? PUBLIC_API_VERSIONS[0],
  },
};
