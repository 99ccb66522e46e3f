/**
 * Puts the simulated platform under the built packages: whatever of Node's modules the agents use for files, sockets, time and chance,
 * the native threads, and the HTTP server. The code of the agents themselves is what the packages ship, but for a mutation where one
 * is asked for.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const UNDER_TEST = /\/packages\/(host-agent|source-agent|destination-agent|protocol|types)\/dist\//;
const PLATFORM = new Map([
  ['node:fs/promises', 'files'],
  ['node:net', 'net'],
  ['node:timers/promises', 'clock'],
  ['node:crypto', 'crypto'],
  ['@drover/native', 'native'],
  ['./api/server.js', 'api-server'],
]);

/** @type {import('./mutations.mjs').Mutation | null} */
let mutation = null;

/** @param {{ mutation: import('./mutations.mjs').Mutation | null }} data */
export function initialize(data) {
  mutation = data.mutation;
}

/** @type {import('node:module').ResolveHook} */
export async function resolve(specifier, context, next) {
  const replacement = PLATFORM.get(specifier);
  if (replacement && context.parentURL && UNDER_TEST.test(context.parentURL)) {
    return { url: new URL(`platform/${replacement}.mjs`, import.meta.url).href, shortCircuit: true };
  }
  return next(specifier, context);
}

/** @type {import('node:module').LoadHook} */
export async function load(url, context, next) {
  const edits = mutation?.edits.filter(({ file }) => url.endsWith(`/packages/${file}`)) ?? [];
  if (edits.length === 0) return next(url, context);
  let source = await readFile(fileURLToPath(url), 'utf8');
  for (const { file, from, to } of edits) {
    if (source.split(from).length !== 2) throw new Error(`${mutation?.name}: ${file} has not once: ${from}`);
    source = source.replace(from, () => to);
  }
  return { format: 'module', source, shortCircuit: true };
}
