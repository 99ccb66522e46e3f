/**
 * Host description, version 3: what the host's processor offers to guests, and how much there is of it. Frozen; see
 * `instance-spec/v1.ts` for what that means.
 */
import { z } from 'zod';
import type { Conversion, Loss } from '../document/versions.js';
import { type HostV2, hostV2 } from './v2.js';

const printable = z.string().regex(/^[ -~]{1,64}$/, 'is not 1–64 printable ASCII characters');

/** A feature as `/proc/cpuinfo` spells it (`avx2`, `sse4_1`), or where Linux has no name for it its place, `cpuid_7.0_ebx_9`. */
export const cpuFeatureV3 = z.string().regex(/^[a-z0-9][a-z0-9_.]{0,63}$/, 'is not the name of a feature');

export const hostCpuV3 = z.strictObject({
  /** As the processor says it: `GenuineIntel`. */
  vendor: printable,
  /** As the processor says it, for people to read. */
  model: printable,
  /** What a guest can be shown, ascending, each once. */
  features: z.array(cpuFeatureV3).max(1024),
});

export const hostCapacityV3 = z.strictObject({
  /** Processors that are online. */
  cpus: z.int().min(1).max(65_535),
  /** All of the host's memory, bytes. */
  memoryBytes: z.int().min(1),
});

export const hostV3 = z.strictObject({
  hostId: hostV2.shape.hostId,
  name: hostV2.shape.name,
  release: hostV2.shape.release,
  peer: hostV2.shape.peer,
  /** Null where an older release does not tell it. */
  cpu: hostCpuV3.nullable(),
  /** Null where an older release does not tell it. */
  capacity: hostCapacityV3.nullable(),
  compatibility: hostV2.shape.compatibility,
  drivers: hostV2.shape.drivers,
});
export type HostV3 = z.output<typeof hostV3>;
export type HostCpuV3 = z.output<typeof hostCpuV3>;
export type HostCapacityV3 = z.output<typeof hostCapacityV3>;

/** Older versions said nothing of processor and memory. */
export const conversionV3: Conversion<HostV2, HostV3> = {
  up: (host) => ({ ...host, cpu: null, capacity: null }),
  down: ({ cpu, capacity, ...older }) => {
    const losses: Loss[] = [];
    if (cpu !== null) losses.push({ path: ['cpu'], feature: 'cpu' });
    if (capacity !== null) losses.push({ path: ['capacity'], feature: 'capacity' });
    return { older, losses };
  },
};
