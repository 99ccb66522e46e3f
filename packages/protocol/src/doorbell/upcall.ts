/**
 * The older upcall, which carries the VMM's state in its body. The body is checked against its frozen type and then ignored: an
 * upcall counts as a doorbell. Frozen, and retired with the last release whose agents send it; a new field never enters it.
 */
import { vmmStateV1 } from '@drover/types';
import { z } from 'zod';
import type { Endpoints, HttpApi } from '../endpoint.js';
import { errorResponse } from '../http-error.js';

/** A VMM state of version 1 in its envelope. */
export const upcallBody = z.object({
  schema: z.literal('drover.vmm-state'),
  version: z.literal(1),
  body: vmmStateV1,
});

export const upcallEndpoints = {
  putVmmState: {
    method: 'PUT',
    path: '/vmms/{vmm}',
    summary: 'The state of a VMM, as older agents push it; counts as a doorbell.',
    body: upcallBody,
    query: null,
    response: 'none',
    status: 204,
  },
} as const satisfies Endpoints;

export const upcallApi: HttpApi = {
  name: 'upcall',
  title: 'Drover state upcall',
  description: 'What older host agents send instead of a doorbell. Its body is checked and not used.',
  versionHeader: null,
  error: errorResponse,
  versions: [
    {
      version: '1.0.0',
      endpoints: upcallEndpoints,
      components: { requests: { VmmState: vmmStateV1 }, answers: {} },
    },
  ],
};
