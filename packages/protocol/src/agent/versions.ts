/**
 * The versions of the agent API, and what the rest of the code calls the newest one's parts. Agents are upgraded first: they serve
 * every version here, and their handlers know only the newest.
 *
 * To add a version: its module (`v3.ts`) with what it changes; a row here and the newest names below; the ways between it and the
 * one before, as in `answers-v1.ts` and `requests-v1.ts`; a row in SPEC.md; `npm run api:generate`. `npm run api:check` holds the versions that are out.
 */
import type { z } from 'zod';
import type { HttpApi } from '../endpoint.js';
import { errorResponse } from '../http-error.js';
import { agentApiV1, type createInstanceBodyV1 } from './v1.js';
import { agentApiV2, agentEndpointsV2, type startMigrationBodyV2 } from './v2.js';

export const API_VERSION_HEADER = 'api-version';

export const AGENT_API_VERSIONS = ['1.0.0', '2.0.0'] as const;
export type AgentApiVersion = (typeof AGENT_API_VERSIONS)[number];

/** What a request means that names no version: the first one, which such a client was written for. */
export const DEFAULT_AGENT_API_VERSION: AgentApiVersion = '1.0.0';
/** What this release's own client asks for. */
export const NEWEST_AGENT_API_VERSION: AgentApiVersion = '2.0.0';

export const agentApi = {
  name: 'agent',
  title: 'Drover agent API',
  description: 'What a host agent serves to the control plane and to the command line.',
  versionHeader: API_VERSION_HEADER,
  error: errorResponse,
  versions: [agentApiV1, agentApiV2],
} as const satisfies HttpApi;

export const agentEndpoints = agentEndpointsV2;
export {
  type InstanceViewV2 as InstanceView,
  type MigrationEventV2 as MigrationEvent,
  type MigrationViewV2 as MigrationView,
  migrationEventV2 as migrationEvent,
  migrationViewV2 as migrationView,
} from './v2.js';

/** As a client sends them: defaults may be left out. */
export type CreateInstanceBody = z.input<typeof createInstanceBodyV1>;
export type StartMigrationBody = z.input<typeof startMigrationBodyV2>;
