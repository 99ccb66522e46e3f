/** The header `api-version`: asked for on every endpoint of the contract. */
import { AGENT_API_VERSIONS, API_VERSION_HEADER } from '@drover/protocol';
import { hostAgentErrors } from '../errors.js';

const SERVED = AGENT_API_VERSIONS.join(', ');

/** Errors: `api-version-missing`, `api-version-unknown`; both list what is served. */
export function requireVersion(asked: string | string[] | undefined): string {
  if (asked === undefined) {
    throw hostAgentErrors.error(
      'api-version-missing',
      `The header ${API_VERSION_HEADER} is missing; this agent serves ${SERVED}.`,
    );
  }
  const found = AGENT_API_VERSIONS.find((version) => version === asked);
  if (found) return found;
  throw hostAgentErrors.error(
    'api-version-unknown',
    `This agent does not serve API version ${JSON.stringify(String(asked).slice(0, 32))}; it serves ${SERVED}.`,
  );
}
