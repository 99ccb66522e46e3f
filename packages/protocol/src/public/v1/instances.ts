/** Instances and their VMMs, in the public API 1.0.0. Frozen with the release that serves it. */
import { instanceSpecV3, vmmStateV2 } from '@drover/types';
import { z } from 'zod';
import { specEnvelopeV1 } from '../../agent/v1.js';
import { errorBody } from '../../http-error.js';
import { labelsV1 } from './shared.js';

export const placementV1 = z.strictObject({
  /** Id or name of the host to be on; null lets the control plane choose. */
  host: z.string().max(253).nullable().default(null),
  /** Labels that the host must have. */
  labels: labelsV1.default({}),
  /** Instances of one group are kept on different hosts; null for none. */
  antiAffinity: z.string().max(63).nullable().default(null),
  strategy: z.enum(['spread', 'pack']).default('spread'),
});

/** What was last seen of a VMM, and where. */
export const fleetVmmV1 = z.object({
  id: z.uuid(),
  instanceId: z.uuid(),
  hostId: z.uuid(),
  hostName: z.string(),
  state: vmmStateV2,
  /** Why nothing more will come of it; null while it may change. */
  ended: z
    .object({ reason: z.enum(['moved', 'deleted', 'replaced', 'host-lost']), at: z.iso.datetime() })
    .nullable(),
  seenAt: z.iso.datetime(),
  /** False where its host does not answer: the state is then old. */
  current: z.boolean(),
});

export const fleetInstanceV1 = z.object({
  id: z.uuid(),
  name: z.string(),
  spec: instanceSpecV3,
  labels: labelsV1,
  placement: placementV1,
  desired: z.enum(['running', 'stopped', 'deleted']),
  /** The VMM that the instance lives in; null while it is not placed. */
  vmm: fleetVmmV1.nullable(),
  /** The migration under way. */
  migrationId: z.uuid().nullable(),
  /** Why `desired` is not reached, as a sentence; null where it is or where nothing stands in the way. */
  problem: errorBody.nullable(),
  createdAt: z.iso.datetime(),
});

export const createFleetInstanceBodyV1 = z.strictObject({
  id: z.uuid().optional(),
  spec: specEnvelopeV1,
  labels: labelsV1.default({}),
  placement: placementV1.prefault({}),
  start: z.boolean().default(true),
});

export type PlacementV1 = z.output<typeof placementV1>;
export type FleetVmmV1 = z.output<typeof fleetVmmV1>;
export type FleetInstanceV1 = z.output<typeof fleetInstanceV1>;
