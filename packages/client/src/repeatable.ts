/** Which requests of the public API may be sent again, and after which failures. */
import { type PublicEndpointName, publicEndpoints } from '@drover/protocol/public';
import { DroverError } from '@drover/types';
import { ApiError } from './errors.js';

/**
 * POSTs that mean the same when they arrive twice: they say what shall be, change nothing, or carry an id from the caller, by which the
 * service knows them again.
 */
const repeatablePosts: ReadonlySet<PublicEndpointName> = new Set<PublicEndpointName>([
  'undrainHost',
  'createInstance',
  'startInstance',
  'stopInstance',
  'createMigration',
  'cancelMigration',
  'checkPreflight',
  'planFleet',
]);

export function isRepeatable(endpoint: PublicEndpointName): boolean {
  return publicEndpoints[endpoint].method !== 'POST' || repeatablePosts.has(endpoint);
}

/**
 * True where sending the request again, unchanged, is safe and can help: the service says that it can and that the trouble is its own
 * (5xx, 429), or it was not reached. A request that may not arrive twice is sent again only after 503, which is answered before anything
 * happens. A refusal with 4xx is about the fleet as it stands, and left to the caller even where a later try could help.
 */
export function mayRepeat(endpoint: PublicEndpointName, thrown: unknown): boolean {
  if (!(thrown instanceof DroverError) || !thrown.retryable) return false;
  if (!(thrown instanceof ApiError)) return isRepeatable(endpoint);
  if (thrown.status === 503) return true;
  return isRepeatable(endpoint) && (thrown.status >= 500 || thrown.status === 429);
}
