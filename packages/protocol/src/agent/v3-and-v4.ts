/**
 * Between agent API 3.0.0 and 4.0.0, as `v2-and-v3.ts` is between the two before. Endpoints that are not in a table here are the same
 * in both.
 *
 * An answer by 3.0.0 leaves out what a guest was promised of its processor. A request to an agent of 3.0.0 that has it is refused: its
 * findings would say that nothing is in the way where that was not looked at (R7).
 */
import type { z } from 'zod';
import { olderAgent } from './older-agent.js';
import type { AgentEndpointsV3 } from './v3.js';
import type { AgentEndpointsV4 } from './v4.js';

type PreflightV3 = z.output<AgentEndpointsV3['checkPreflight']['response']>;
type PreflightV4 = z.output<AgentEndpointsV4['checkPreflight']['response']>;

/** Answers of 4.0.0 as 3.0.0 gives them. Never refuse. */
export const answersToV3 = {
  checkPreflight: ({ findings }: PreflightV4): PreflightV3 => ({ findings }),
};

/** Answers of an agent of 3.0.0 as 4.0.0 means them. Total. */
export const answersFromV3 = {
  checkPreflight: ({ findings }: PreflightV3): PreflightV4 => ({ findings, cpu: null }),
};

/** Bodies of 3.0.0 as 4.0.0 means them. Total. */
export const bodiesFromV3 = {
  checkPreflight: (
    body: z.output<AgentEndpointsV3['checkPreflight']['body']>,
  ): z.output<AgentEndpointsV4['checkPreflight']['body']> =>
    body.role === 'destination' ? { ...body, cpu: null } : body,
};

/** Bodies of 4.0.0 for an agent of 3.0.0, which `agent` names in sentences. Errors: `api-version-too-old`. */
export const bodiesToV3 = {
  checkPreflight(
    body: z.input<AgentEndpointsV4['checkPreflight']['body']>,
    agent: string,
  ): z.input<AgentEndpointsV3['checkPreflight']['body']> {
    if (body.role === 'source') return body;
    const { cpu = null, ...older } = body;
    if (cpu === null) return older;
    throw olderAgent('Comparing what a guest was promised of its processor', '4.0.0', agent);
  },
};
