/**
 * The doorbell API: host agent → control plane, "look at this VMM". Frozen: an id in the path and nothing else, so there is
 * nothing in it that could change. What the control plane then does is ask the agent, by the agent API (R10).
 */
import type { Endpoints, HttpApi } from '../endpoint.js';
import { errorResponse } from '../http-error.js';

export const doorbellEndpoints = {
  ringDoorbell: {
    method: 'POST',
    path: '/doorbells/vmms/{vmm}',
    summary: 'Something about this VMM is new; ask its agent.',
    body: null,
    query: null,
    response: 'none',
    status: 204,
  },
} as const satisfies Endpoints;

export const doorbellApi: HttpApi = {
  name: 'doorbell',
  title: 'Drover doorbell API',
  description: 'Host agents tell the control plane that it should look at a VMM. It carries no state.',
  versionHeader: null,
  error: errorResponse,
  versions: [{ version: '1.0.0', endpoints: doorbellEndpoints, components: { requests: {}, answers: {} } }],
};
