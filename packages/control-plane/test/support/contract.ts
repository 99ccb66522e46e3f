/** Holds what a control plane answers to GET to the contract; the server itself does not look, for a page costs more to check than to read. */
import { type Endpoint, publicEndpoints } from '@drover/protocol';
import { checkShape } from '@drover/types';
import { z } from 'zod';

const documents = Object.entries(publicEndpoints as Readonly<Record<string, Endpoint>>)
  .filter(([, { method, response }]) => method === 'GET' && response instanceof z.ZodType)
  .map(([name, { path, response }]) => ({
    name,
    pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/?]+')}(\\?|$)`),
    response: response as z.ZodType,
  }));

/** What is wrong with `body` as the answer to `GET path`; null where nothing is, or where the answer is no document of the API. */
export function outsideContract(path: string, body: unknown): string | null {
  const endpoint = documents.find(({ pattern }) => pattern.test(path));
  if (endpoint === undefined) return null;
  const checked = checkShape(endpoint.response, body, endpoint.name);
  if (!checked.ok) return checked.sentence;
  // A key that the contract does not have is dropped by it.
  const extra = unknownKey(body, checked.value, endpoint.name);
  return extra === null ? null : `${extra}: is not in the contract`;
}

function unknownKey(said: unknown, kept: unknown, path: string): string | null {
  if (typeof said !== 'object' || said === null || typeof kept !== 'object' || kept === null) return null;
  for (const [key, value] of Object.entries(said)) {
    if (!(key in kept)) return `${path}.${key}`;
    const found = unknownKey(value, (kept as Record<string, unknown>)[key], `${path}.${key}`);
    if (found !== null) return found;
  }
  return null;
}
