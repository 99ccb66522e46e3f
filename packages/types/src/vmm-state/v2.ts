/**
 * VMM state, version 2: VMMs of Drover's own and of Cloud Hypervisor, and memory that the VMM's own stream moves. Frozen; see
 * `instance-spec/v1.ts` for what that means.
 */
import { z } from 'zod';
import type { Conversion, Loss } from '../document/versions.js';
import { type VmmStateV1, vmmStateV1 } from './v1.js';

export const vmmStateV2 = z.strictObject({
  ...vmmStateV1.shape,
  driver: z.enum(['qemu', 'machine', 'cloud-hypervisor']),
  ramMode: z.enum(['external', 'relay']),
});
export type VmmStateV2 = z.output<typeof vmmStateV2>;

/** Version 1 knows one driver and one RAM mode. */
export const conversionV2: Conversion<VmmStateV1, VmmStateV2> = {
  up: (state) => state,
  down: ({ driver, ramMode, ...state }) => {
    const losses: Loss[] = [];
    if (driver !== 'qemu') losses.push({ path: ['driver'], feature: `driver=${driver}` });
    if (ramMode !== 'external') losses.push({ path: ['ramMode'], feature: `ramMode=${ramMode}` });
    return { older: { ...state, driver: 'qemu', ramMode: 'external' }, losses };
  },
};
