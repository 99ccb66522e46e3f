/** What a preflight finds, from the errors with which a migration would end. */
import { destinationErrors } from '@drover/destination-agent';
import { type PreflightFinding, protocolErrors } from '@drover/protocol';
import { sourceErrors } from '@drover/source-agent';
import { type ErrorDefinition, toErrorBody, typesErrors } from '@drover/types';
import { vmmErrors } from '@drover/vmm';
import { hostAgentErrors } from '../errors.js';

/** Every code that a migration can end with on a host. */
const definitions: Readonly<Record<string, ErrorDefinition>> = {
  ...typesErrors.definitions,
  ...protocolErrors.definitions,
  ...vmmErrors.definitions,
  ...sourceErrors.definitions,
  ...destinationErrors.definitions,
  ...hostAgentErrors.definitions,
};

/** `thrown` is what a migration would end with. */
export function refused(thrown: unknown): PreflightFinding {
  const { code, message } = toErrorBody(thrown);
  return { severity: 'refused', code, sentence: sentence(message), remedy: remedyFor(code) };
}

/** A row's summary says first what it means and then what to do. */
function remedyFor(code: string): string {
  const [, ...rest] = (definitions[code]?.summary ?? '').split(/(?<=\.)\s+/);
  return rest.join(' ') || 'Look at the log of this host’s agent.';
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}
