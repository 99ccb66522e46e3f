import { protocolErrors } from '../errors.js';

/** What an older agent cannot do, as an error: `what` begins the sentence, `version` is the first that can, `agent` names it. */
export function olderAgent(what: string, version: string, agent: string): Error {
  return protocolErrors.error(
    'api-version-too-old',
    `${what} needs agent API ${version}, and ${agent} serves an older one; upgrade that agent.`,
  );
}
