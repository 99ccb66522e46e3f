/**
 * The agent API, version 1.0.0: control plane and CLI → host agent. The server's version rule: agents are upgraded first
 * and serve every version in {@link AGENT_API_VERSIONS}; a client names one in the header `api-version`.
 */
import {
  hostSchema,
  instanceSpecSchema,
  migrationPhaseSchema,
  migrationProgressSchema,
  migrationReportSchema,
  migrationSettingsSchema,
  migrationStateSchema,
  vmmStateSchema,
} from '@drover/types';
import { z } from 'zod';

export const AGENT_API_VERSIONS = ['1.0.0'] as const;
export const API_VERSION_HEADER = 'api-version';

export const errorBody = z.object({ code: z.string(), message: z.string(), retryable: z.boolean() });
/** Every error response. */
export const errorResponse = z.object({ error: errorBody });

/** A stored document: the envelope that instance specs travel in. */
export const specEnvelope = z.object({
  schema: z.literal('drover.instance-spec'),
  version: z.int().min(1),
  body: z.unknown(),
});

export const instanceView = z.object({
  id: z.uuid(),
  name: z.string(),
  /** Latest version of the spec, defaults filled in. */
  spec: instanceSpecSchema,
  state: vmmStateSchema,
  /** Console socket and log on the host, for tools that run there; null without a process. */
  consoleSocket: z.string().nullable(),
  logFile: z.string().nullable(),
});

export const createInstanceBody = z.strictObject({
  id: z.uuid().optional(),
  spec: specEnvelope,
  start: z.boolean().default(false),
});
export const stopInstanceBody = z.strictObject({ force: z.boolean().default(false) });

export const startMigrationBody = z.strictObject({
  /** Id or name. */
  instance: z.string(),
  destination: z.strictObject({ host: z.string(), port: z.int().min(1).max(65_535) }),
  settings: migrationSettingsSchema,
});

export const migrationView = z.object({
  id: z.uuid(),
  instanceId: z.uuid(),
  instanceName: z.string(),
  role: z.enum(['source', 'destination']),
  /** The other side as host:port. */
  peer: z.string(),
  state: migrationStateSchema,
  phase: migrationPhaseSchema,
  progress: migrationProgressSchema.nullable(),
  report: migrationReportSchema.nullable(),
  error: errorBody.nullable(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
});

/** Events of `GET /migrations/{id}/events` (SSE): `id` counts from 1 and serves `Last-Event-ID`. */
export const migrationEvent = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('progress'), at: z.iso.datetime(), progress: migrationProgressSchema }),
  z.object({ kind: z.literal('note'), at: z.iso.datetime(), message: z.string() }),
  z.object({ kind: z.literal('ended'), at: z.iso.datetime(), migration: migrationView }),
]);

export type ErrorResponse = z.output<typeof errorResponse>;
export type InstanceView = z.output<typeof instanceView>;
export type MigrationView = z.output<typeof migrationView>;
export type MigrationEvent = z.output<typeof migrationEvent>;
export type CreateInstanceBody = z.input<typeof createInstanceBody>;
export type StartMigrationBody = z.input<typeof startMigrationBody>;

/** One endpoint: what the server validates and the client is typed by. */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  readonly body: z.ZodType | null;
  readonly query: z.ZodType | null;
  readonly response: z.ZodType | 'text' | 'sse' | 'websocket';
  readonly status: number;
}

/** Path parameters `{instance}` take an id or a name. */
export const agentEndpoints = {
  getHost: {
    method: 'GET',
    path: '/host',
    summary: 'Who this agent is and what it accepts.',
    body: null,
    query: null,
    response: hostSchema,
    status: 200,
  },
  listInstances: {
    method: 'GET',
    path: '/instances',
    summary: 'Every instance on this host.',
    body: null,
    query: null,
    response: z.object({ items: z.array(instanceView) }),
    status: 200,
  },
  createInstance: {
    method: 'POST',
    path: '/instances',
    summary: 'Make an instance; started only when asked.',
    body: createInstanceBody,
    query: null,
    response: instanceView,
    status: 201,
  },
  getInstance: {
    method: 'GET',
    path: '/instances/{instance}',
    summary: 'One instance.',
    body: null,
    query: null,
    response: instanceView,
    status: 200,
  },
  startInstance: {
    method: 'POST',
    path: '/instances/{instance}/start',
    summary: 'Start a stopped instance.',
    body: null,
    query: null,
    response: instanceView,
    status: 200,
  },
  stopInstance: {
    method: 'POST',
    path: '/instances/{instance}/stop',
    summary: 'Stop the VMM; forced, without asking the guest.',
    body: stopInstanceBody,
    query: null,
    response: instanceView,
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
    body: startMigrationBody,
    query: null,
    response: migrationView,
    status: 202,
  },
  listMigrations: {
    method: 'GET',
    path: '/migrations',
    summary: 'Migrations that this agent took part in.',
    body: null,
    query: null,
    response: z.object({ items: z.array(migrationView) }),
    status: 200,
  },
  getMigration: {
    method: 'GET',
    path: '/migrations/{migration}',
    summary: 'One migration.',
    body: null,
    query: null,
    response: migrationView,
    status: 200,
  },
  cancelMigration: {
    method: 'POST',
    path: '/migrations/{migration}/cancel',
    summary: 'Cancel before the handover; answers when it has ended.',
    body: null,
    query: null,
    response: migrationView,
    status: 200,
  },
  watchMigration: {
    method: 'GET',
    path: '/migrations/{migration}/events',
    summary: 'Live progress.',
    body: null,
    query: null,
    response: 'sse',
    status: 200,
  },
} as const satisfies Record<string, Endpoint>;
