import type { PathParameter } from '../endpoint.js';
import { fillPath } from '../endpoint-path.js';
import { agentEndpoints } from './versions.js';

export type AgentEndpointName = keyof typeof agentEndpoints;

/** Parameters of an endpoint's path; an empty object where it has none. */
export type AgentPathParameters<Name extends AgentEndpointName> = {
  readonly [Parameter in PathParameter<(typeof agentEndpoints)[Name]['path']>]: string;
};

/**
 * The path of an endpoint with its parameters filled in and escaped: `agentPath('getInstance', { instance: 'web-1' })` →
 * `/instances/web-1`. Errors: `path-parameter-invalid`.
 */
export function agentPath<Name extends AgentEndpointName>(
  endpoint: Name,
  params: AgentPathParameters<Name>,
): string {
  return fillPath(agentEndpoints[endpoint].path, endpoint, params);
}

/** A path of the contract as fastify writes it: `/instances/:instance`. */
export function routePattern(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1');
}
