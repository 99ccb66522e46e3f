import type { PreflightFinding } from '@drover/protocol';
import type { AgentParts } from '../host-agent.js';
import { checkArrival } from '../preflight/arrival.js';
import { checkDeparture } from '../preflight/departure.js';
import type { Call } from './handlers.js';

/** Both directions of `checkPreflight`. Errors: `instance-not-found` for an instance that is to leave and is not here. */
export async function checkPreflight(
  agent: AgentParts,
  body: Call<'checkPreflight'>['body'],
): Promise<{ findings: PreflightFinding[] }> {
  const findings =
    body.role === 'source' ? await checkDeparture(agent, body.instance) : await checkArrival(agent, body);
  return { findings };
}
