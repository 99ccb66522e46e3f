import type { Preflight } from '@drover/protocol';
import type { AgentParts } from '../host-agent.js';
import { checkArrival } from '../preflight/arrival.js';
import { checkDeparture } from '../preflight/departure.js';
import type { Call } from './handlers.js';

/** Both directions of `checkPreflight`. Errors: `instance-not-found` for an instance that is to leave and is not here. */
export async function checkPreflight(
  agent: AgentParts,
  body: Call<'checkPreflight'>['body'],
): Promise<Preflight> {
  return body.role === 'source' ? checkDeparture(agent, body.instance) : checkArrival(agent, body);
}
