import type { PathParameter } from '../endpoint.js';
import { fillPath } from '../endpoint-path.js';
import { publicEndpoints } from './versions.js';

export type PublicEndpointName = keyof typeof publicEndpoints;

/** Parameters of an endpoint's path; an empty object where it has none. */
export type PublicPathParameters<Name extends PublicEndpointName> = {
  readonly [Parameter in PathParameter<(typeof publicEndpoints)[Name]['path']>]: string;
};

/** As `agentPath`, for the public API. Errors: `path-parameter-invalid`. */
export function publicPath<Name extends PublicEndpointName>(
  endpoint: Name,
  parameters: PublicPathParameters<Name>,
): string {
  return fillPath(publicEndpoints[endpoint].path, endpoint, parameters);
}
