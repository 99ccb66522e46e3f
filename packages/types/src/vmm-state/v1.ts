/** VMM state, version 1. Frozen; see `instance-spec/v1.ts` for what that means. */
import { z } from 'zod';

/**
 * | state | meaning |
 * | --- | --- |
 * | stopped | no process; the instance can be started |
 * | starting | process being made |
 * | running | executes guest code |
 * | paused | process there, guest code not executed |
 * | migrating-out | source of a migration; the guest runs until the switchover |
 * | migrating-in | destination of a migration; never executes guest code |
 * | in-doubt | relinquished, and what the destination did is not yet known; stays paused (R4) |
 * | moved | the guest now runs elsewhere; terminal |
 * | failed | the VMM ended on its own; `error` says why |
 */
export const vmmLifeV1 = z.enum([
  'stopped',
  'starting',
  'running',
  'paused',
  'migrating-out',
  'migrating-in',
  'in-doubt',
  'moved',
  'failed',
]);

export const vmmStateV1 = z.strictObject({
  vmmId: z.uuid(),
  instanceId: z.uuid(),
  /** Decimal; raised by one at every publication (R10). */
  generation: z.string().regex(/^(0|[1-9][0-9]{0,19})$/),
  /** Decimal; the ownership number this VMM holds. */
  epoch: z.string().regex(/^(0|[1-9][0-9]{0,19})$/),
  life: vmmLifeV1,
  driver: z.enum(['qemu']),
  ramMode: z.enum(['external']),
  accelerator: z.enum(['kvm', 'tcg']).nullable(),
  /** Why this accelerator, as a sentence. */
  acceleratorReason: z.string().nullable(),
  /** Exact machine type in use, never an alias. */
  machineType: z.string().nullable(),
  vmmVersion: z.string().nullable(),
  pid: z.int().nullable(),
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
});
export type VmmLifeV1 = z.output<typeof vmmLifeV1>;
export type VmmStateV1 = z.output<typeof vmmStateV1>;
