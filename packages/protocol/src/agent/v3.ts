/**
 * The agent API, version 3.0.0: what a control plane needs. VMMs by their own id, read from snapshots, whose last state stays until it
 * is acknowledged; migrations whose id the caller chooses; ownership as the journal has it, doubt as it stands, and an operator's word
 * on it; findings of this host for a preflight; host description 3. What is not here is as in 2.0.0. Frozen with the release that serves it; see `v1.ts`
 * for what that means.
 */
import { componentIdV1, componentV3, hostV3, migrationStateV1, vmmStateV2 } from '@drover/types';
import { z } from 'zod';
import type { ApiVersion, Endpoints } from '../endpoint.js';
import { specEnvelopeV1, stopInstanceBodyV1 } from './v1.js';
import {
  agentApiV2,
  agentEndpointsV2,
  migrationEventV2,
  migrationViewV2,
  startMigrationBodyV2,
} from './v2.js';

const decimal = z.string().regex(/^(0|[1-9][0-9]{0,19})$/);

/** One VMM of this host, from a snapshot that no work can block (R10). */
export const vmmViewV3 = z.object({
  /** Its generation, its epoch, its life. */
  state: vmmStateV2,
  instanceName: z.string(),
  /** The migration that this VMM is part of; null for none. */
  migration: z
    .object({ id: z.uuid(), role: z.enum(['source', 'destination']), state: migrationStateV1 })
    .nullable(),
  /** Why nothing more will come of this VMM, and when; null while it may change. It stays readable until its generation is acknowledged. */
  ended: z.object({ reason: z.enum(['moved', 'deleted', 'replaced']), at: z.iso.datetime() }).nullable(),
});

export const acknowledgeVmmBodyV3 = z.strictObject({
  /** The generation that was stored. A record of a newer one stays. */
  generation: decimal,
});

/** `vmm`, here and in `deleteInstance`: act only if this is still the instance's VMM, so that a late request reaches no later one. */
export const stopInstanceBodyV3 = z.strictObject({
  ...stopInstanceBodyV1.shape,
  vmm: z.uuid().optional(),
});

export const startMigrationBodyV3 = z.strictObject({
  ...startMigrationBodyV2.shape,
  /** Asking again with the same id and the same request answers with the same migration. */
  id: z.uuid().optional(),
});

/** What a host that is in doubt does not know, and what may end it (R4). */
export const doubtV3 = z.object({
  since: z.iso.datetime(),
  /** What is not known, as a sentence. */
  unknown: z.string(),
  /** Whose word is waited for: host:port of the other side. */
  waitsFor: z.string(),
  /** How often it was asked. */
  attempts: z.int().min(0),
  /** What came of the last try, as a sentence; null before the first. */
  lastAnswer: z.string().nullable(),
  /** What an operator can do, as a sentence. */
  remedy: z.string(),
});

export const migrationViewV3 = z.object({
  ...migrationViewV2.shape,
  /** What this host's journal says of it, epoch included; null before its first entry. */
  ownership: z.object({ state: z.string(), epoch: decimal }).nullable(),
  doubt: doubtV3.nullable(),
});

const [progressEventV2, noteEventV2, endedEventV2] = migrationEventV2.options;
export const migrationEventV3 = z.discriminatedUnion('kind', [
  progressEventV2,
  noteEventV2,
  z.object({ ...endedEventV2.shape, migration: migrationViewV3 }),
]);

/** One entry of the ownership journal. */
export const ownershipEntryV3 = z.object({
  instanceId: z.uuid(),
  state: z.enum(['owned', 'relinquished', 'done', 'taken-back', 'aborted', 'preparing', 'ready']),
  epoch: decimal,
});
/** The last entries of both roles; null where this host never had that role in it. */
export const ownershipV3 = z.object({
  source: ownershipEntryV3.nullable(),
  destination: ownershipEntryV3.nullable(),
});

/**
 * | decision | at | what it does |
 * | --- | --- | --- |
 * | take-back | a source in doubt | raises the epoch above the one given away, and resumes the guest here |
 * | take-over | a destination that is READY | journals OWNED with a raised epoch, and resumes the guest here |
 * | give-up | a destination that is READY | journals ABORTED and removes its VMM |
 *
 * Each is for when the other host is lost for good; one that can be asked is asked, and its word counts.
 */
export const resolveMigrationBodyV3 = z.strictObject({
  decision: z.enum(['take-back', 'take-over', 'give-up']),
  /** The other side as this migration names it (host:port): whom the operator declares lost. */
  lostHost: z.string().min(1).max(300),
  /** Kept in the log: how it is known. */
  reason: z.string().min(1).max(1024),
});

/** One thing that a migration would meet on this host. */
export const preflightFindingV3 = z.object({
  severity: z.enum(['refused', 'warning', 'note']),
  /** Of the error that the migration would end with, where it is refused. */
  code: z.string(),
  sentence: z.string(),
  remedy: z.string(),
});
export const preflightBodyV3 = z.discriminatedUnion('role', [
  /** Could this instance leave? */
  z.strictObject({ role: z.literal('source'), instance: z.string() }),
  /** Could a guest of this spec come here? */
  z.strictObject({
    role: z.literal('destination'),
    instanceId: z.uuid(),
    spec: specEnvelopeV1,
    backends: z.record(componentIdV1, componentV3).default({}),
    /** Exact machine type of the running VMM; null where it is not known. */
    machineType: z.string().nullable().default(null),
    /** Of the VMM that runs it, which counts where a machine type is another in every release; null where it is not known. */
    vmmVersion: z.string().nullable().default(null),
    accelerator: z.enum(['kvm', 'tcg']).nullable().default(null),
  }),
]);

export const agentEndpointsV3 = {
  ...agentEndpointsV2,
  getHost: { ...agentEndpointsV2.getHost, response: hostV3 },
  stopInstance: { ...agentEndpointsV2.stopInstance, body: stopInstanceBodyV3 },
  deleteInstance: {
    ...agentEndpointsV2.deleteInstance,
    query: z.object({ vmm: z.uuid().optional() }),
  },
  listVmms: {
    method: 'GET',
    path: '/vmms',
    summary: 'Every VMM of this host, and those that ended and were not acknowledged.',
    body: null,
    query: null,
    response: z.object({ items: z.array(vmmViewV3) }),
    status: 200,
  },
  getVmm: {
    method: 'GET',
    path: '/vmms/{vmm}',
    summary: 'One VMM.',
    body: null,
    query: null,
    response: vmmViewV3,
    status: 200,
  },
  acknowledgeVmm: {
    method: 'POST',
    path: '/vmms/{vmm}/acknowledge',
    summary: 'The state of this generation is stored; an ended VMM need not be kept any longer.',
    body: acknowledgeVmmBodyV3,
    query: null,
    response: z.object({ forgotten: z.boolean() }),
    status: 200,
  },
  checkPreflight: {
    method: 'POST',
    path: '/preflights',
    summary: 'What a migration would meet on this host. Changes nothing.',
    body: preflightBodyV3,
    query: null,
    response: z.object({ findings: z.array(preflightFindingV3) }),
    status: 200,
  },
  startMigration: {
    ...agentEndpointsV2.startMigration,
    body: startMigrationBodyV3,
    response: migrationViewV3,
  },
  listMigrations: {
    ...agentEndpointsV2.listMigrations,
    response: z.object({ items: z.array(migrationViewV3) }),
  },
  getMigration: { ...agentEndpointsV2.getMigration, response: migrationViewV3 },
  cancelMigration: { ...agentEndpointsV2.cancelMigration, response: migrationViewV3 },
  watchMigration: { ...agentEndpointsV2.watchMigration, event: migrationEventV3 },
  getOwnership: {
    method: 'GET',
    path: '/migrations/{migration}/ownership',
    summary: "What this host's journal says of a migration.",
    body: null,
    query: null,
    response: ownershipV3,
    status: 200,
  },
  resolveMigration: {
    method: 'POST',
    path: '/migrations/{migration}/resolve',
    summary: 'Decide a migration in doubt, because the other host is lost for good.',
    body: resolveMigrationBodyV3,
    query: null,
    response: migrationViewV3,
    status: 200,
  },
} as const satisfies Endpoints;

export type AgentEndpointsV3 = typeof agentEndpointsV3;
export type VmmViewV3 = z.output<typeof vmmViewV3>;
export type MigrationViewV3 = z.output<typeof migrationViewV3>;
export type MigrationEventV3 = z.output<typeof migrationEventV3>;
export type StartMigrationBodyV3 = z.output<typeof startMigrationBodyV3>;
export type DoubtV3 = z.output<typeof doubtV3>;
export type OwnershipV3 = z.output<typeof ownershipV3>;
export type ResolveMigrationBodyV3 = z.output<typeof resolveMigrationBodyV3>;
export type PreflightFindingV3 = z.output<typeof preflightFindingV3>;
export type PreflightBodyV3 = z.output<typeof preflightBodyV3>;

export const agentApiV3 = {
  version: '3.0.0',
  endpoints: agentEndpointsV3,
  components: {
    requests: {
      ...agentApiV2.components.requests,
      StopInstance: stopInstanceBodyV3,
      StartMigration: startMigrationBodyV3,
      ResolveMigration: resolveMigrationBodyV3,
    },
    answers: {
      ...agentApiV2.components.answers,
      Host: hostV3,
      Vmm: vmmViewV3,
      Migration: migrationViewV3,
      MigrationEvent: migrationEventV3,
      Doubt: doubtV3,
      Ownership: ownershipV3,
      OwnershipEntry: ownershipEntryV3,
      PreflightFinding: preflightFindingV3,
    },
  },
} as const satisfies ApiVersion;
