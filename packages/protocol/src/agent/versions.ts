/**
 * The versions of the agent API, and what the rest of the code calls the newest one's parts. Agents are upgraded first: they serve
 * every version here, and their handlers know only the newest.
 *
 * To add a version: its module (`v5.ts`) with what it changes; a row here and the newest names below; the ways between it and the
 * one before, as in `v1-and-v2.ts`; a row in SPEC.md; `npm run api:generate`. `npm run api:check` holds the versions that are out.
 */
import type { z } from 'zod';
import type { HttpApi } from '../endpoint.js';
import { errorResponse } from '../http-error.js';
import { agentApiV1, type createInstanceBodyV1 } from './v1.js';
import { agentApiV2 } from './v2.js';
import { agentApiV3, type resolveMigrationBodyV3, type startMigrationBodyV3 } from './v3.js';
import { agentApiV4, agentEndpointsV4, type preflightBodyV4 } from './v4.js';

export const API_VERSION_HEADER = 'api-version';

export const AGENT_API_VERSIONS = ['1.0.0', '2.0.0', '3.0.0', '4.0.0'] as const;
export type AgentApiVersion = (typeof AGENT_API_VERSIONS)[number];

/** What a request means that names no version: the first one, which such a client was written for. */
export const DEFAULT_AGENT_API_VERSION: AgentApiVersion = '1.0.0';
/** What this release's own client asks for. */
export const NEWEST_AGENT_API_VERSION: AgentApiVersion = '4.0.0';

export const agentApi = {
  name: 'agent',
  title: 'Drover agent API',
  description: 'What a host agent serves to the control plane and to the command line.',
  versionHeader: API_VERSION_HEADER,
  error: errorResponse,
  versions: [agentApiV1, agentApiV2, agentApiV3, agentApiV4],
} as const satisfies HttpApi;

export const agentEndpoints = agentEndpointsV4;
export type { InstanceViewV2 as InstanceView } from './v2.js';
export {
  type DoubtV3 as Doubt,
  type MigrationEventV3 as MigrationEvent,
  type MigrationViewV3 as MigrationView,
  migrationEventV3 as migrationEvent,
  migrationViewV3 as migrationView,
  type OwnershipV3 as Ownership,
  type PreflightFindingV3 as PreflightFinding,
  preflightFindingV3 as preflightFinding,
  type VmmViewV3 as VmmView,
  vmmViewV3 as vmmView,
} from './v3.js';
export type { PreflightV4 as Preflight } from './v4.js';

/** As a client sends them: defaults may be left out. */
export type CreateInstanceBody = z.input<typeof createInstanceBodyV1>;
export type StartMigrationBody = z.input<typeof startMigrationBodyV3>;
export type PreflightBody = z.input<typeof preflightBodyV4>;
export type ResolveMigrationBody = z.input<typeof resolveMigrationBodyV3>;
