/**
 * The versions of the public API. Every one that went out stays served; handlers know the newest alone. To add one: as for the agent
 * API, in `../agent/versions.ts`.
 */
import type { z } from 'zod';
import { API_VERSION_HEADER } from '../agent/versions.js';
import type { HttpApi } from '../endpoint.js';
import { errorResponse } from '../http-error.js';
import { publicApiV1, publicEndpointsV1 } from './v1/endpoints.js';
import type { createFleetInstanceBodyV1 } from './v1/instances.js';
import type { createMigrationBodyV1 } from './v1/migrations.js';

export const PUBLIC_API_VERSIONS = ['1.0.0'] as const;
export type PublicApiVersion = (typeof PUBLIC_API_VERSIONS)[number];
export const NEWEST_PUBLIC_API_VERSION: PublicApiVersion = '1.0.0';

/** Name of the service in the answer to `GET /`. */
export const CONTROL_PLANE_SERVICE = 'drover-control-plane';
/** Who asks, as the audit trail names them. */
export const ACTOR_HEADER = 'drover-actor';

export const publicApi = {
  name: 'public',
  title: 'Drover public API',
  description:
    'What the control plane serves to users, services, the command line and host agents that register.',
  versionHeader: API_VERSION_HEADER,
  error: errorResponse,
  versions: [publicApiV1],
} as const satisfies HttpApi;

export const publicEndpoints = publicEndpointsV1;
export {
  type DrainViewV1 as DrainView,
  type FleetPlanV1 as FleetPlan,
  fleetPlanBodyV1 as fleetPlanBody,
} from './v1/drains.js';
export {
  type AuditEntryV1 as AuditEntry,
  type FleetEventV1 as FleetEvent,
  fleetEventV1 as fleetEvent,
} from './v1/events.js';
export type {
  HostStateV1 as HostState,
  HostViewV1 as HostView,
  RegistrationV1 as Registration,
} from './v1/hosts.js';
export type {
  FleetInstanceV1 as FleetInstance,
  FleetVmmV1 as FleetVmm,
  PlacementV1 as Placement,
} from './v1/instances.js';
export type {
  FleetMigrationV1 as FleetMigration,
  MigrationStepV1 as MigrationStep,
} from './v1/migrations.js';
export type { PreflightResultV1 as PreflightResult } from './v1/preflights.js';

/** As a client sends them: defaults may be left out. */
export type CreateFleetInstanceBody = z.input<typeof createFleetInstanceBodyV1>;
export type CreateMigrationBody = z.input<typeof createMigrationBodyV1>;
