/** Preflights, in the public API 1.0.0. Frozen with the release that serves it. */
import { componentIdV1, componentV3 } from '@drover/types';
import { z } from 'zod';
import { preflightFindingV3 } from '../../agent/v3.js';

export const fleetPreflightBodyV1 = z.strictObject({
  /** Id or name. */
  instance: z.string().max(253),
  /** Ids or names; null for every host that takes guests. */
  hosts: z.array(z.string().max(253)).min(1).max(100).nullable().default(null),
  backends: z.record(componentIdV1, componentV3).default({}),
});
export const fleetPreflightResultV1 = z.object({
  host: z.object({ id: z.uuid(), name: z.string() }),
  /** True where no finding refuses. */
  moves: z.boolean(),
  findings: z.array(preflightFindingV3),
});

export type PreflightResultV1 = z.output<typeof fleetPreflightResultV1>;
