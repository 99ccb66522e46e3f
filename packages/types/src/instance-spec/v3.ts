/**
 * Instance spec, version 3: an NVMe disk says whether it has a write cache, vsock devices, Drover's own VMM, and what the guest's
 * clock does over a migration. Frozen; see `v1.ts` for what that means.
 */
import { z } from 'zod';
import type { Conversion, Loss } from '../document/versions.js';
import {
  componentIdV1,
  fileStorageV1,
  nvmeDiskV1,
  serialPortV1,
  tapNetworkV1,
  userNetworkV1,
  vdpaNetworkV1,
  vfioDeviceV1,
  vhostUserNetworkV1,
  virtioDiskV1,
  virtioNicV1,
} from './v1.js';
import {
  blobStorageV2,
  blockStorageV2,
  type ComponentV2,
  type InstanceSpecV2,
  instanceSpecV2,
  pvpanicV2,
  rngV2,
} from './v2.js';

export const nvmeDiskV3 = z.strictObject({
  kind: nvmeDiskV1.shape.kind,
  backend: nvmeDiskV1.shape.backend,
  pciSlot: nvmeDiskV1.shape.pciSlot,
  serial: nvmeDiskV1.shape.serial,
  /** Whether the disk tells the guest of a volatile write cache, which the guest then flushes. Older versions meant true. */
  writeCache: z.boolean().default(true),
});

/** A socket between guest and host. The guest keeps its context id for life. */
export const vsockV3 = z.strictObject({
  kind: z.literal('vsock'),
  /** 0 to 2 are the hypervisor, the guest itself and the host (vsock(7)); the largest is "any". */
  cid: z.int().min(3).max(0xffff_fffe),
  pciSlot: z.int().min(1).max(31).optional(),
});

export const componentV3 = z.discriminatedUnion('kind', [
  virtioDiskV1,
  nvmeDiskV3,
  virtioNicV1,
  serialPortV1,
  pvpanicV2,
  rngV2,
  vsockV3,
  fileStorageV1,
  blockStorageV2,
  blobStorageV2,
  userNetworkV1,
  tapNetworkV1,
  vhostUserNetworkV1,
  vfioDeviceV1,
  vdpaNetworkV1,
]);

export const instanceSpecV3 = z.strictObject({
  name: instanceSpecV2.shape.name,
  vmm: z.enum(['qemu', 'machine']).default('qemu'),
  cpus: instanceSpecV2.shape.cpus,
  memoryMiB: instanceSpecV2.shape.memoryMiB,
  machineType: instanceSpecV2.shape.machineType,
  cpu: instanceSpecV2.shape.cpu,
  accelerator: instanceSpecV2.shape.accelerator,
  smbios: instanceSpecV2.shape.smbios,
  /** Over the pause of a migration the guest's clock goes on with the wall's, or stands still. */
  clock: z.enum(['wall', 'stopped']).default('wall'),
  boot: instanceSpecV2.shape.boot,
  components: z.record(componentIdV1, componentV3).default({}),
});

/** Version 3 as decoded: defaults filled in. */
export type InstanceSpecV3 = z.output<typeof instanceSpecV3>;
/** Version 3 as written by a person: defaults may be left out. */
export type InstanceSpecV3Input = z.input<typeof instanceSpecV3>;
export type ComponentV3 = z.output<typeof componentV3>;

/** Older versions meant QEMU, a write cache in every NVMe disk, and a clock that goes on with the wall's. */
export const conversionV3: Conversion<InstanceSpecV2, InstanceSpecV3> = {
  up: ({ components, ...spec }) => ({ ...spec, clock: 'wall', components: allUp(components) }),
  down: ({ vmm, clock, components, ...spec }) => {
    const losses: Loss[] = [];
    if (vmm !== 'qemu') losses.push({ path: ['vmm'], feature: `vmm=${vmm}` });
    if (clock !== 'wall') losses.push({ path: ['clock'], feature: `clock=${clock}` });
    const kept: Record<string, ComponentV2> = {};
    for (const [id, component] of Object.entries(components)) {
      if (component.kind === 'vsock') {
        losses.push({ path: ['components', id], feature: `${id} (vsock)` });
      } else if (component.kind === 'nvme-disk') {
        const { writeCache, ...disk } = component;
        if (!writeCache) {
          losses.push({ path: ['components', id, 'writeCache'], feature: `${id}.writeCache=false` });
        }
        kept[id] = disk;
      } else kept[id] = component;
    }
    return { older: { ...spec, vmm: 'qemu', components: kept }, losses };
  },
};

function allUp(components: Readonly<Record<string, ComponentV2>>): Record<string, ComponentV3> {
  return Object.fromEntries(
    Object.entries(components).map(([id, component]) => [
      id,
      component.kind === 'nvme-disk' ? { ...component, writeCache: true } : component,
    ]),
  );
}
