import { quoteBriefly } from '@drover/types';
import type { PathParameter } from '../endpoint.js';
import { protocolErrors } from '../errors.js';
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
  const values = params as Readonly<Record<string, string>>;
  return agentEndpoints[endpoint].path.replace(/\{(\w+)\}/g, (_, parameter: string) => {
    const value = Object.hasOwn(values, parameter) ? values[parameter] : undefined;
    // A URL parser takes "." and ".." for steps in the path, escaped or not.
    if (value === undefined || value === '' || value === '.' || value === '..') {
      const given = quoteBriefly(value ?? '');
      throw protocolErrors.error(
        'path-parameter-invalid',
        `${given} cannot be the ${parameter} of ${endpoint}.`,
      );
    }
    return encodeURIComponent(value);
  });
}

/** A path of the contract as fastify writes it: `/instances/:instance`. */
export function routePattern(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1');
}
