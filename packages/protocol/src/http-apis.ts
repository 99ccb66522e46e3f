/** Every HTTP API whose contract is here, with all of its versions: what `tools/api` writes documents of. */
import { agentApi } from './agent/versions.js';
import { doorbellApi } from './doorbell/doorbell.js';
import { upcallApi } from './doorbell/upcall.js';
import type { HttpApi } from './endpoint.js';
import { publicApi } from './public/versions.js';

export { type ApiVersion, type Endpoint, type Endpoints, type HttpApi, pathParameters } from './endpoint.js';

export const httpApis: readonly HttpApi[] = [publicApi, agentApi, doorbellApi, upcallApi];
