/** Hosts, in the public API 1.0.0. Frozen with the release that serves it. */
import { hostV3 } from '@drover/types';
import { z } from 'zod';
import { count, labelsV1, nameV1 } from './shared.js';

/**
 * | state | meaning |
 * | --- | --- |
 * | active | takes guests |
 * | draining | takes none, and its guests are being moved away |
 * | maintenance | takes none; its drain has ended |
 * | unreachable | its agent does not answer. What its guests do is not known; nothing is concluded from it |
 * | lost | declared lost for good by an operator, or by a fencing command that succeeded |
 */
export const hostStateV1 = z.enum(['active', 'draining', 'maintenance', 'unreachable', 'lost']);

export const registerHostBodyV1 = z.strictObject({
  name: nameV1,
  /** Of its agent API, as the control plane reaches it. */
  url: z.url({ protocol: /^https?$/ }).max(512),
  labels: labelsV1.optional(),
});

export const hostCapacityV1 = z.object({
  cpus: count,
  memoryBytes: count,
  /** Taken by the guests that are here and by those that are promised room. */
  cpusUsed: count,
  memoryBytesUsed: count,
});

export const hostViewV1 = z.object({
  id: z.uuid(),
  name: z.string(),
  url: z.string(),
  state: hostStateV1,
  /** What an operator wants of it; `state` says what is. */
  desired: z.enum(['active', 'draining', 'maintenance']),
  labels: labelsV1,
  /** As its agent described it last; null before it answered. */
  description: hostV3.nullable(),
  capacity: hostCapacityV1.nullable(),
  vmms: count,
  registeredAt: z.iso.datetime(),
  lastSeenAt: z.iso.datetime().nullable(),
  /** Why it is unreachable or lost, as a sentence. */
  reason: z.string().nullable(),
});

/** The answer to a registration, which is also the host's sign of life. */
export const registrationV1 = z.object({
  id: z.uuid(),
  state: hostStateV1,
  /** Register again within this, ms. */
  heartbeatMs: z.int().min(1),
});

export const markLostBodyV1 = z.strictObject({
  /** The host's name once more: what follows cannot be taken back. */
  confirm: z.string(),
  reason: z.string().min(1).max(1024),
});

export type HostStateV1 = z.output<typeof hostStateV1>;
export type HostViewV1 = z.output<typeof hostViewV1>;
export type RegistrationV1 = z.output<typeof registrationV1>;
