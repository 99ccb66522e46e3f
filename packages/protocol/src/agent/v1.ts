/**
 * The agent API, version 1.0.0: control plane and CLI → host agent. Frozen: this is what release 0.1 serves and asks for, so the
 * file changes only in its comments. A change is a new version in a new module; `versions.ts` says how.
 */
import {
  hostV1,
  instanceSpecV1,
  migrationPhaseV1,
  migrationProgressV1,
  migrationReportV1,
  migrationSettingsV1,
  migrationStateV1,
  vmmStateV1,
} from '@drover/types';
import { z } from 'zod';
import type { ApiVersion, Endpoints } from '../endpoint.js';
import { errorBody } from '../http-error.js';

/** A stored document: the envelope that instance specs travel in. */
export const specEnvelopeV1 = z.object({
  schema: z.literal('drover.instance-spec'),
  version: z.int().min(1),
  body: z.unknown(),
});

export const instanceViewV1 = z.object({
  id: z.uuid(),
  name: z.string(),
  /** Defaults filled in. */
  spec: instanceSpecV1,
  state: vmmStateV1,
  /** Console socket and log on the host, for tools that run there; null without a process. */
  consoleSocket: z.string().nullable(),
  logFile: z.string().nullable(),
});

export const createInstanceBodyV1 = z.strictObject({
  id: z.uuid().optional(),
  spec: specEnvelopeV1,
  start: z.boolean().default(false),
});
export const stopInstanceBodyV1 = z.strictObject({ force: z.boolean().default(false) });

export const startMigrationBodyV1 = z.strictObject({
  /** Id or name. */
  instance: z.string(),
  destination: z.strictObject({ host: z.string(), port: z.int().min(1).max(65_535) }),
  settings: migrationSettingsV1,
});

export const migrationViewV1 = z.object({
  id: z.uuid(),
  instanceId: z.uuid(),
  instanceName: z.string(),
  role: z.enum(['source', 'destination']),
  /** The other side as host:port. */
  peer: z.string(),
  state: migrationStateV1,
  phase: migrationPhaseV1,
  progress: migrationProgressV1.nullable(),
  report: migrationReportV1.nullable(),
  error: errorBody.nullable(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
});

/** Events of `GET /migrations/{id}/events` (SSE): `id` counts from 1 and serves `Last-Event-ID`. */
export const migrationEventV1 = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('progress'), at: z.iso.datetime(), progress: migrationProgressV1 }),
  z.object({ kind: z.literal('note'), at: z.iso.datetime(), message: z.string() }),
  z.object({ kind: z.literal('ended'), at: z.iso.datetime(), migration: migrationViewV1 }),
]);

/** Path parameters `{instance}` take an id or a name. */
export const agentEndpointsV1 = {
  getHost: {
    method: 'GET',
    path: '/host',
    summary: 'Who this agent is and what it accepts.',
    body: null,
    query: null,
    response: hostV1,
    status: 200,
  },
  listInstances: {
    method: 'GET',
    path: '/instances',
    summary: 'Every instance on this host.',
    body: null,
    query: null,
    response: z.object({ items: z.array(instanceViewV1) }),
    status: 200,
  },
  createInstance: {
    method: 'POST',
    path: '/instances',
    summary: 'Make an instance; started only when asked.',
    body: createInstanceBodyV1,
    query: null,
    response: instanceViewV1,
    status: 201,
  },
  getInstance: {
    method: 'GET',
    path: '/instances/{instance}',
    summary: 'One instance.',
    body: null,
    query: null,
    response: instanceViewV1,
    status: 200,
  },
  startInstance: {
    method: 'POST',
    path: '/instances/{instance}/start',
    summary: 'Start a stopped instance.',
    body: null,
    query: null,
    response: instanceViewV1,
    status: 200,
  },
  stopInstance: {
    method: 'POST',
    path: '/instances/{instance}/stop',
    summary: 'Stop the VMM; forced, without asking the guest.',
    body: stopInstanceBodyV1,
    query: null,
    response: instanceViewV1,
    status: 200,
  },
  deleteInstance: {
    method: 'DELETE',
    path: '/instances/{instance}',
    summary: 'Remove a stopped instance and its files.',
    body: null,
    query: null,
    response: z.object({ deleted: z.literal(true) }),
    status: 200,
  },
  getInstanceLog: {
    method: 'GET',
    path: '/instances/{instance}/log',
    summary: 'The end of the serial console log.',
    body: null,
    query: z.object({
      tailBytes: z.coerce
        .number()
        .int()
        .min(1)
        .max(1 << 20)
        .default(65_536),
    }),
    response: 'text',
    status: 200,
  },
  openConsole: {
    method: 'GET',
    path: '/instances/{instance}/console',
    summary: 'The serial console as a WebSocket of bytes.',
    body: null,
    query: null,
    response: 'websocket',
    status: 101,
  },
  startMigration: {
    method: 'POST',
    path: '/migrations',
    summary: 'Move an instance of this host to a peer.',
    body: startMigrationBodyV1,
    query: null,
    response: migrationViewV1,
    status: 202,
  },
  listMigrations: {
    method: 'GET',
    path: '/migrations',
    summary: 'Migrations that this agent took part in.',
    body: null,
    query: null,
    response: z.object({ items: z.array(migrationViewV1) }),
    status: 200,
  },
  getMigration: {
    method: 'GET',
    path: '/migrations/{migration}',
    summary: 'One migration.',
    body: null,
    query: null,
    response: migrationViewV1,
    status: 200,
  },
  cancelMigration: {
    method: 'POST',
    path: '/migrations/{migration}/cancel',
    summary: 'Cancel before the handover; answers when it has ended.',
    body: null,
    query: null,
    response: migrationViewV1,
    status: 200,
  },
  watchMigration: {
    method: 'GET',
    path: '/migrations/{migration}/events',
    summary: 'Live progress.',
    body: null,
    query: null,
    response: 'sse',
    event: migrationEventV1,
    status: 200,
  },
} as const satisfies Endpoints;

export type AgentEndpointsV1 = typeof agentEndpointsV1;
export type InstanceViewV1 = z.output<typeof instanceViewV1>;
export type MigrationViewV1 = z.output<typeof migrationViewV1>;
export type MigrationEventV1 = z.output<typeof migrationEventV1>;
export type CreateInstanceBodyV1 = z.output<typeof createInstanceBodyV1>;
export type StartMigrationBodyV1 = z.output<typeof startMigrationBodyV1>;

export const agentApiV1 = {
  version: '1.0.0',
  endpoints: agentEndpointsV1,
  components: {
    requests: {
      CreateInstance: createInstanceBodyV1,
      InstanceSpecEnvelope: specEnvelopeV1,
      StopInstance: stopInstanceBodyV1,
      StartMigration: startMigrationBodyV1,
      MigrationSettings: migrationSettingsV1,
    },
    answers: {
      Host: hostV1,
      Instance: instanceViewV1,
      InstanceSpec: instanceSpecV1,
      VmmState: vmmStateV1,
      Migration: migrationViewV1,
      MigrationEvent: migrationEventV1,
      MigrationProgress: migrationProgressV1,
      MigrationReport: migrationReportV1,
    },
  },
} as const satisfies ApiVersion;
