/**
 * The agent API, version 4.0.0: a preflight knows what a guest was promised of its processor, which its source tells and its destination
 * compares. What is not here is as in 3.0.0. Frozen with the release that serves it; see `v1.ts` for what that means.
 */
import { z } from 'zod';
import { cpuDefinitionV1 } from '../cpu-definition.js';
import type { ApiVersion, Endpoints } from '../endpoint.js';
import { agentApiV3, agentEndpointsV3, preflightBodyV3, preflightFindingV3 } from './v3.js';

const [sourceBodyV3, destinationBodyV3] = preflightBodyV3.options;
export const preflightBodyV4 = z.discriminatedUnion('role', [
  sourceBodyV3,
  z.strictObject({
    ...destinationBodyV3.shape,
    /** What the source said of the guest's processors; null where it holds nothing that the spec does not say, or is not known. */
    cpu: cpuDefinitionV1.nullable().default(null),
  }),
]);

export const preflightV4 = z.object({
  findings: z.array(preflightFindingV3),
  /** What the guest that could leave was promised of its processors; null where its spec says it all, where it does not run, and at a destination. */
  cpu: cpuDefinitionV1.nullable(),
});

export const agentEndpointsV4 = {
  ...agentEndpointsV3,
  checkPreflight: { ...agentEndpointsV3.checkPreflight, body: preflightBodyV4, response: preflightV4 },
} as const satisfies Endpoints;

export type AgentEndpointsV4 = typeof agentEndpointsV4;
export type PreflightBodyV4 = z.output<typeof preflightBodyV4>;
export type PreflightV4 = z.output<typeof preflightV4>;

export const agentApiV4 = {
  version: '4.0.0',
  endpoints: agentEndpointsV4,
  components: {
    requests: agentApiV3.components.requests,
    answers: { ...agentApiV3.components.answers, CpuDefinition: cpuDefinitionV1 },
  },
} as const satisfies ApiVersion;
