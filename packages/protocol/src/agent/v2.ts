/**
 * The agent API, version 2.0.0: compatibility manifests, backends of the destination's own, and the documents of their newer
 * versions (instance spec 3, VMM state 2, migration report 2, host description 2). What is not here is as in 1.0.0. Frozen with the
 * release that serves it; see `v1.ts` for what that means.
 */
import {
  compatibilityV1,
  componentIdV1,
  componentV3,
  hostV2,
  instanceSpecV3,
  migrationProgressV1,
  migrationReportV2,
  migrationSettingsV1,
  vmmStateV2,
} from '@drover/types';
import { z } from 'zod';
import type { ApiVersion, Endpoints } from '../endpoint.js';
import {
  agentEndpointsV1,
  createInstanceBodyV1,
  instanceViewV1,
  migrationEventV1,
  migrationViewV1,
  specEnvelopeV1,
  startMigrationBodyV1,
  stopInstanceBodyV1,
} from './v1.js';

export const instanceViewV2 = z.object({
  ...instanceViewV1.shape,
  spec: instanceSpecV3,
  state: vmmStateV2,
});

export const startMigrationBodyV2 = z.strictObject({
  ...startMigrationBodyV1.shape,
  /** Backends that the guest shall have on the destination instead of those of its spec: of the same id and kind, by id. */
  backends: z.record(componentIdV1, componentV3).default({}),
});

export const migrationViewV2 = z.object({
  ...migrationViewV1.shape,
  report: migrationReportV2.nullable(),
});

const [progressEventV1, noteEventV1, endedEventV1] = migrationEventV1.options;

export const migrationEventV2 = z.discriminatedUnion('kind', [
  progressEventV1,
  noteEventV1,
  z.object({ ...endedEventV1.shape, migration: migrationViewV2 }),
]);

/** A compatibility manifest of version 1 in its envelope. */
export const compatibilityEnvelopeV2 = z.object({
  schema: z.literal('drover.compatibility'),
  version: z.literal(1),
  body: compatibilityV1,
});

export const agentEndpointsV2 = {
  ...agentEndpointsV1,
  getHost: { ...agentEndpointsV1.getHost, response: hostV2 },
  getCompatibility: {
    method: 'GET',
    path: '/compatibility',
    summary: 'Every version that this host speaks, reads and runs.',
    body: null,
    query: null,
    response: compatibilityEnvelopeV2,
    status: 200,
  },
  listInstances: {
    ...agentEndpointsV1.listInstances,
    response: z.object({ items: z.array(instanceViewV2) }),
  },
  createInstance: { ...agentEndpointsV1.createInstance, response: instanceViewV2 },
  getInstance: { ...agentEndpointsV1.getInstance, response: instanceViewV2 },
  startInstance: { ...agentEndpointsV1.startInstance, response: instanceViewV2 },
  stopInstance: { ...agentEndpointsV1.stopInstance, response: instanceViewV2 },
  startMigration: {
    ...agentEndpointsV1.startMigration,
    body: startMigrationBodyV2,
    response: migrationViewV2,
  },
  listMigrations: {
    ...agentEndpointsV1.listMigrations,
    response: z.object({ items: z.array(migrationViewV2) }),
  },
  getMigration: { ...agentEndpointsV1.getMigration, response: migrationViewV2 },
  cancelMigration: { ...agentEndpointsV1.cancelMigration, response: migrationViewV2 },
  watchMigration: { ...agentEndpointsV1.watchMigration, event: migrationEventV2 },
} as const satisfies Endpoints;

export type AgentEndpointsV2 = typeof agentEndpointsV2;
export type InstanceViewV2 = z.output<typeof instanceViewV2>;
export type MigrationViewV2 = z.output<typeof migrationViewV2>;
export type MigrationEventV2 = z.output<typeof migrationEventV2>;
export type StartMigrationBodyV2 = z.output<typeof startMigrationBodyV2>;

export const agentApiV2 = {
  version: '2.0.0',
  endpoints: agentEndpointsV2,
  components: {
    requests: {
      Component: componentV3,
      CreateInstance: createInstanceBodyV1,
      InstanceSpecEnvelope: specEnvelopeV1,
      StopInstance: stopInstanceBodyV1,
      StartMigration: startMigrationBodyV2,
      MigrationSettings: migrationSettingsV1,
    },
    answers: {
      Compatibility: compatibilityV1,
      Host: hostV2,
      Instance: instanceViewV2,
      InstanceSpec: instanceSpecV3,
      VmmState: vmmStateV2,
      Migration: migrationViewV2,
      MigrationEvent: migrationEventV2,
      MigrationProgress: migrationProgressV1,
      MigrationReport: migrationReportV2,
    },
  },
} as const satisfies ApiVersion;
