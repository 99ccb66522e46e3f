/**
 * The public API, version 1.0.0: users, services and the command line → control plane. It changes only as `versions.ts` says.
 *
 * Lists are paged: at most `limit` items, and `nextCursor` for the page behind them. Requests that make something take its id from the
 * caller where the caller wants to ask again safely. What an instance shall be (`desired`) and what was last seen of it (`vmm`) stand apart.
 */
import {
  componentV3,
  hostV3,
  instanceSpecV3,
  migrationProgressV1,
  migrationReportV2,
  migrationSettingsV1,
  vmmStateV2,
} from '@drover/types';

import { z } from 'zod';
import { specEnvelopeV1 } from '../../agent/v1.js';
import type { ApiVersion, Endpoints } from '../../endpoint.js';
import { drainBodyV1, drainViewV1, fleetPlanBodyV1, fleetPlanV1 } from './drains.js';
import { auditEntryV1, fleetEventV1 } from './events.js';
import { hostStateV1, hostViewV1, markLostBodyV1, registerHostBodyV1, registrationV1 } from './hosts.js';
import { createFleetInstanceBodyV1, fleetInstanceV1, fleetVmmV1 } from './instances.js';
import {
  createMigrationBodyV1,
  fleetMigrationStateV1,
  fleetMigrationV1,
  resolveBodyV1,
} from './migrations.js';
import { fleetPreflightBodyV1, fleetPreflightResultV1 } from './preflights.js';
import { labelsV1, pageOf, pageV1 } from './shared.js';

const one = { query: null, status: 200 } as const;

/** Path parameters `{host}` and `{instance}` take an id or a name, the others an id. */
export const publicEndpointsV1 = {
  registerHost: {
    ...one,
    method: 'PUT',
    path: '/hosts/{host}',
    summary: 'Register a host by its id, or say that it lives.',
    body: registerHostBodyV1,
    response: registrationV1,
  },
  listHosts: {
    method: 'GET',
    path: '/hosts',
    summary: 'Hosts by name.',
    body: null,
    status: 200,
    query: z.object({ ...pageV1, state: hostStateV1.optional(), label: z.string().max(320).optional() }),
    response: pageOf(hostViewV1),
  },
  getHost: {
    ...one,
    method: 'GET',
    path: '/hosts/{host}',
    summary: 'One host.',
    body: null,
    response: hostViewV1,
  },
  labelHost: {
    ...one,
    method: 'PUT',
    path: '/hosts/{host}/labels',
    summary: 'Replace the labels of a host.',
    body: z.strictObject({ labels: labelsV1 }),
    response: hostViewV1,
  },
  drainHost: {
    ...one,
    method: 'POST',
    path: '/hosts/{host}/drain',
    summary: 'Move every guest away, and take none.',
    body: drainBodyV1,
    response: drainViewV1,
    status: 202,
  },
  undrainHost: {
    ...one,
    method: 'POST',
    path: '/hosts/{host}/undrain',
    summary: 'Take guests again; a drain under way starts nothing more.',
    body: null,
    response: hostViewV1,
  },
  markHostLost: {
    ...one,
    method: 'POST',
    path: '/hosts/{host}/lost',
    summary: 'Declare a host lost for good. It must be unable to run anything.',
    body: markLostBodyV1,
    response: hostViewV1,
  },
  forgetHost: {
    ...one,
    method: 'DELETE',
    path: '/hosts/{host}',
    summary: 'Forget a host without VMMs.',
    body: null,
    response: z.object({ deleted: z.literal(true) }),
  },

  createInstance: {
    ...one,
    method: 'POST',
    path: '/instances',
    summary: 'Make an instance, on the host that fits best or the one given.',
    body: createFleetInstanceBodyV1,
    response: fleetInstanceV1,
    status: 201,
  },
  listInstances: {
    method: 'GET',
    path: '/instances',
    summary: 'Instances by name.',
    body: null,
    status: 200,
    query: z.object({
      ...pageV1,
      host: z.string().max(253).optional(),
      life: z.string().max(32).optional(),
      label: z.string().max(320).optional(),
      name: z.string().max(63).optional(),
    }),
    response: pageOf(fleetInstanceV1),
  },
  getInstance: {
    ...one,
    method: 'GET',
    path: '/instances/{instance}',
    summary: 'One instance.',
    body: null,
    response: fleetInstanceV1,
  },
  startInstance: {
    ...one,
    method: 'POST',
    path: '/instances/{instance}/start',
    summary: 'It shall run.',
    body: null,
    response: fleetInstanceV1,
  },
  stopInstance: {
    ...one,
    method: 'POST',
    path: '/instances/{instance}/stop',
    summary: 'It shall not run; forced, without asking the guest.',
    body: z.strictObject({ force: z.boolean().default(false) }),
    response: fleetInstanceV1,
  },
  deleteInstance: {
    ...one,
    method: 'DELETE',
    path: '/instances/{instance}',
    summary: 'Remove a stopped instance.',
    body: null,
    response: z.object({ deleted: z.literal(true) }),
  },
  getInstanceLog: {
    method: 'GET',
    path: '/instances/{instance}/log',
    summary: 'The end of the serial console log, from its host.',
    body: null,
    status: 200,
    query: z.object({
      tailBytes: z.coerce
        .number()
        .int()
        .min(1)
        .max(1 << 20)
        .default(65_536),
    }),
    response: 'text',
  },

  listVmms: {
    method: 'GET',
    path: '/vmms',
    summary: 'VMMs, newest first.',
    body: null,
    status: 200,
    query: z.object({
      ...pageV1,
      instance: z.string().max(253).optional(),
      host: z.string().max(253).optional(),
    }),
    response: pageOf(fleetVmmV1),
  },
  getVmm: {
    ...one,
    method: 'GET',
    path: '/vmms/{vmm}',
    summary: 'One VMM as it was last seen.',
    body: null,
    response: fleetVmmV1,
  },

  createMigration: {
    ...one,
    method: 'POST',
    path: '/migrations',
    summary: 'Move an instance to another host.',
    body: createMigrationBodyV1,
    response: fleetMigrationV1,
    status: 202,
  },
  listMigrations: {
    method: 'GET',
    path: '/migrations',
    summary: 'Migrations, newest first.',
    body: null,
    status: 200,
    query: z.object({
      ...pageV1,
      instance: z.string().max(253).optional(),
      host: z.string().max(253).optional(),
      state: fleetMigrationStateV1.optional(),
    }),
    response: pageOf(fleetMigrationV1),
  },
  getMigration: {
    ...one,
    method: 'GET',
    path: '/migrations/{migration}',
    summary: 'One migration, with its steps.',
    body: null,
    response: fleetMigrationV1,
  },
  cancelMigration: {
    ...one,
    method: 'POST',
    path: '/migrations/{migration}/cancel',
    summary: 'Cancel, until the handover.',
    body: null,
    response: fleetMigrationV1,
  },
  resolveMigration: {
    ...one,
    method: 'POST',
    path: '/migrations/{migration}/resolve',
    summary: 'Decide a migration in doubt whose other host is lost.',
    body: resolveBodyV1,
    response: fleetMigrationV1,
  },
  watchMigration: {
    method: 'GET',
    path: '/migrations/{migration}/events',
    summary: 'Events of one migration, to its end.',
    body: null,
    query: null,
    response: 'sse',
    event: fleetEventV1,
    status: 200,
  },

  checkPreflight: {
    ...one,
    method: 'POST',
    path: '/preflights',
    summary: 'What a migration would meet, without moving anything.',
    body: fleetPreflightBodyV1,
    response: z.object({ results: z.array(fleetPreflightResultV1) }),
  },

  listDrains: {
    method: 'GET',
    path: '/drains',
    summary: 'Drains, newest first.',
    body: null,
    status: 200,
    query: z.object(pageV1),
    response: pageOf(drainViewV1),
  },
  getDrain: {
    ...one,
    method: 'GET',
    path: '/drains/{drain}',
    summary: 'One drain, guest by guest.',
    body: null,
    response: drainViewV1,
  },
  planFleet: {
    ...one,
    method: 'POST',
    path: '/fleet/plans',
    summary: 'In which order to drain the hosts for an upgrade. Changes nothing.',
    body: fleetPlanBodyV1,
    response: fleetPlanV1,
  },

  watchEvents: {
    method: 'GET',
    path: '/events',
    summary: 'Everything that changes.',
    body: null,
    query: z.object({ kinds: z.string().max(128).optional() }),
    response: 'sse',
    event: fleetEventV1,
    status: 200,
  },
  listAudit: {
    method: 'GET',
    path: '/audit',
    summary: 'Who asked for what, newest first.',
    body: null,
    status: 200,
    query: z.object({ ...pageV1, target: z.string().max(128).optional() }),
    response: pageOf(auditEntryV1),
  },
} as const satisfies Endpoints;

export type PublicEndpointsV1 = typeof publicEndpointsV1;

export const publicApiV1 = {
  version: '1.0.0',
  endpoints: publicEndpointsV1,
  components: {
    requests: {
      RegisterHost: registerHostBodyV1,
      CreateInstance: createFleetInstanceBodyV1,
      InstanceSpecEnvelope: specEnvelopeV1,
      CreateMigration: createMigrationBodyV1,
      Component: componentV3,
      MigrationSettings: migrationSettingsV1,
      DrainHost: drainBodyV1,
      FleetPlanRequest: fleetPlanBodyV1,
    },
    answers: {
      Host: hostViewV1,
      HostDescription: hostV3,
      Instance: fleetInstanceV1,
      InstanceSpec: instanceSpecV3,
      Vmm: fleetVmmV1,
      VmmState: vmmStateV2,
      Migration: fleetMigrationV1,
      MigrationProgress: migrationProgressV1,
      MigrationReport: migrationReportV2,
      PreflightResult: fleetPreflightResultV1,
      Drain: drainViewV1,
      FleetPlan: fleetPlanV1,
      Event: fleetEventV1,
      AuditEntry: auditEntryV1,
    },
  },
} as const satisfies ApiVersion;
