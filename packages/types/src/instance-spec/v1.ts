/**
 * Instance spec, version 1. Frozen: documents of this version exist on disks and wires, so this file changes only in its
 * comments. A change of shape is a new version in a new module, with conversions to and from this one there.
 *
 * Everything is strict: a key that this version does not know is refused by name, never dropped (R8).
 */
import { z } from 'zod';

/** Component ids: how devices name their backends, and how people name both. */
export const componentIdV1 = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'is not 1–32 characters a–z, 0–9 and "-"');

/** An absolute path on the host. */
const hostPath = z.string().min(2).max(4096).startsWith('/', 'is not an absolute path');

const pciSlot = z.int().min(1).max(31);

/** Devices: what the guest sees. */
export const virtioDiskV1 = z.strictObject({
  kind: z.literal('virtio-disk'),
  backend: componentIdV1,
  pciSlot: pciSlot.optional(),
  serial: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,20}$/)
    .optional(),
});
export const nvmeDiskV1 = z.strictObject({
  kind: z.literal('nvme-disk'),
  backend: componentIdV1,
  pciSlot: pciSlot.optional(),
  serial: z.string().regex(/^[A-Za-z0-9_-]{1,20}$/),
});
export const virtioNicV1 = z.strictObject({
  kind: z.literal('virtio-nic'),
  backend: componentIdV1,
  pciSlot: pciSlot.optional(),
  mac: z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, 'is not six lower-case hex bytes joined by ":"'),
});
export const serialPortV1 = z.strictObject({ kind: z.literal('serial-port'), port: z.enum(['com1']) });

/** Backends: what the host provides, and what may differ from host to host. */
export const fileStorageV1 = z.strictObject({
  kind: z.literal('file-storage'),
  path: hostPath,
  format: z.enum(['raw', 'qcow2']),
  /** `none` opens the file with O_DIRECT. */
  cache: z.enum(['writeback', 'none']).default('writeback'),
  readOnly: z.boolean().default(false),
});
export const userNetworkV1 = z.strictObject({ kind: z.literal('user-network') });
export const tapNetworkV1 = z.strictObject({
  kind: z.literal('tap-network'),
  interface: z.string().regex(/^[A-Za-z0-9_.-]{1,15}$/),
});
/** A backend in another process, which writes guest memory by itself; refused for RAM mode `external`. */
export const vhostUserNetworkV1 = z.strictObject({ kind: z.literal('vhost-user-network'), socket: hostPath });
/** A host device given to the guest; it writes guest memory by itself; refused for RAM mode `external`. */
export const vfioDeviceV1 = z.strictObject({ kind: z.literal('vfio-device'), address: z.string().max(64) });
export const vdpaNetworkV1 = z.strictObject({ kind: z.literal('vdpa-network'), device: hostPath });

export const componentV1 = z.discriminatedUnion('kind', [
  virtioDiskV1,
  nvmeDiskV1,
  virtioNicV1,
  serialPortV1,
  fileStorageV1,
  userNetworkV1,
  tapNetworkV1,
  vhostUserNetworkV1,
  vfioDeviceV1,
  vdpaNetworkV1,
]);

export const instanceSpecV1 = z.strictObject({
  /** Unique on a host; what people type. */
  name: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'is not a host-name label (a–z, 0–9, "-")'),
  vmm: z.enum(['qemu']).default('qemu'),
  cpus: z.int().min(1).max(255),
  /** MiB. */
  memoryMiB: z
    .int()
    .min(1)
    .max(16 * 1024 * 1024),
  /** A QEMU machine type; an alias (`q35`) is made exact at launch and stays so for life. */
  machineType: z
    .string()
    .regex(/^[a-z0-9.-]{1,40}$/)
    .default('q35'),
  cpu: z
    .strictObject({
      model: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
      /** CPU features by QEMU's name, on or off. */
      features: z.record(z.string().regex(/^[a-z0-9._-]{1,32}$/), z.boolean()).default({}),
    })
    .default({ model: 'qemu64', features: {} }),
  /** `auto`: KVM where it runs this guest, otherwise TCG. */
  accelerator: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
  /** What starts: a kernel from the host's files, or the disks in this order. */
  boot: z.discriminatedUnion('from', [
    z.strictObject({
      from: z.literal('kernel'),
      kernel: hostPath,
      initrd: hostPath.optional(),
      cmdline: z.string().max(2047).default(''),
    }),
    z.strictObject({ from: z.literal('disks'), order: z.array(componentIdV1).min(1).max(16) }),
  ]),
  components: z.record(componentIdV1, componentV1).default({}),
});

/** Version 1 as decoded: defaults filled in. */
export type InstanceSpecV1 = z.output<typeof instanceSpecV1>;
/** Version 1 as written by a person: defaults may be left out. */
export type InstanceSpecV1Input = z.input<typeof instanceSpecV1>;
export type ComponentV1 = z.output<typeof componentV1>;
