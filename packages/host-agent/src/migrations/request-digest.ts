/** What a request for a migration comes down to, so that the same one asked again is known for the same. */
import { createHash } from 'node:crypto';
import type { OutgoingRequest } from './outgoing.js';

/** Of everything that the request says but its id. `instanceId`: whatever the request called it. */
export function requestDigest(
  instanceId: string,
  { destination, settings, backends }: Pick<OutgoingRequest, 'destination' | 'settings' | 'backends'>,
): string {
  const text = JSON.stringify(sorted({ instanceId, destination, settings, backends }));
  return createHash('sha256').update(text).digest('hex');
}

/** With the keys of every object in order: who sends a request again may write it differently. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
