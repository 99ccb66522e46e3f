/** Drains and the plan of an upgrade, in the public API 1.0.0. Frozen with the release that serves it. */
import { migrationSettingsV1 } from '@drover/types';
import { z } from 'zod';
import { errorBody } from '../../http-error.js';
import { count, labelsV1 } from './shared.js';

export const drainBodyV1 = z.strictObject({
  /** Migrations out of the host at once. */
  concurrency: z.int().min(1).max(64).default(2),
  /** Of each migration. */
  settings: migrationSettingsV1.prefault({}),
  /** Tries for each guest, where the reason says that a retry can help. */
  attempts: z.int().min(1).max(20).default(3),
});
export const drainItemV1 = z.object({
  instanceId: z.uuid(),
  instanceName: z.string(),
  state: z.enum(['waiting', 'moving', 'moved', 'stays']),
  attempts: count,
  migrationId: z.uuid().nullable(),
  /** Where it went. */
  destination: z.string().nullable(),
  /** Why it stays, or failed last. */
  error: errorBody.nullable(),
});
export const drainViewV1 = z.object({
  id: z.uuid(),
  hostId: z.uuid(),
  hostName: z.string(),
  /** `completed`: nothing is left on the host. `ended-with-remains`: every try was made and some guests stay. */
  state: z.enum(['running', 'completed', 'ended-with-remains', 'cancelled']),
  concurrency: z.int(),
  total: count,
  moved: count,
  stays: count,
  items: z.array(drainItemV1),
  createdAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
});

export const fleetPlanBodyV1 = z.strictObject({
  /** Hosts at once. */
  width: z.int().min(1).max(64).default(1),
  /** Only hosts with these labels. */
  labels: labelsV1.default({}),
  /** Only hosts that do not run this release. */
  release: z.string().max(64).nullable().default(null),
});
export const fleetPlanV1 = z.object({
  /** One after the other; within a step all hosts at once. */
  steps: z.array(
    z.object({
      hosts: z.array(
        z.object({ id: z.uuid(), name: z.string(), release: z.string().nullable(), vmms: count }),
      ),
      /** Where their guests would go, by the placement of this moment. */
      moves: z.array(
        z.object({
          instanceId: z.uuid(),
          instanceName: z.string(),
          from: z.string(),
          to: z.string().nullable(),
          /** Why there is no place. */
          problem: z.string().nullable(),
        }),
      ),
    }),
  ),
  /** True where every guest has a place in every step. */
  possible: z.boolean(),
  notes: z.array(z.string()),
});

export type DrainViewV1 = z.output<typeof drainViewV1>;
export type FleetPlanV1 = z.output<typeof fleetPlanV1>;
