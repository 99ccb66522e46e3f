/**
 * Instance spec, version 2: adds SMBIOS system information, explicit CPUID entries, pvpanic and rng devices, and disks on block
 * devices and on content inside the spec. Frozen; see `v1.ts` for what that means.
 */
import { z } from 'zod';
import type { Conversion, Loss } from '../document/versions.js';
import {
  type ComponentV1,
  componentIdV1,
  componentV1,
  fileStorageV1,
  type InstanceSpecV1,
  instanceSpecV1,
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

/** Largest content of a blob storage, bytes. */
const BLOB_BYTES = 256 * 1024;
/** Disks are read in sectors of so many bytes. */
const SECTOR_BYTES = 512;
/** Largest opaque volume request, bytes in UTF-8. */
const REQUEST_BYTES = 64 * 1024;

const u32 = z.int().min(0).max(0xffff_ffff);
const pciSlot = z.int().min(1).max(31);
const smbiosText = z.string().regex(/^[ -~]{1,64}$/, 'is not 1–64 printable ASCII characters');

/** What the firmware tables say of the system (SMBIOS type 1); what is left out is the VMM's own default. */
export const smbiosV2 = z
  .strictObject({
    manufacturer: smbiosText.optional(),
    product: smbiosText.optional(),
    version: smbiosText.optional(),
    serial: smbiosText.optional(),
    uuid: z
      .string()
      .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'is not a UUID in lower case')
      .optional(),
    sku: smbiosText.optional(),
    family: smbiosText.optional(),
  })
  .refine(
    (fields) => Object.values(fields).some((field) => field !== undefined),
    'has no field; give one, or leave it out',
  );

/** What CPUID answers for one leaf, instead of what the CPU model says. `subleaf` null: for every subleaf. */
export const cpuidEntryV2 = z.strictObject({
  leaf: u32,
  subleaf: u32.nullable().default(null),
  eax: u32,
  ebx: u32,
  ecx: u32,
  edx: u32,
});

/** Tells the host that the guest's kernel panicked. */
export const pvpanicV2 = z.strictObject({ kind: z.literal('pvpanic'), pciSlot: pciSlot.optional() });
/** Gives the guest random bytes of the host. */
export const rngV2 = z.strictObject({ kind: z.literal('rng'), pciSlot: pciSlot.optional() });

/** A block device of the host. */
export const blockStorageV2 = z.strictObject({
  kind: z.literal('block-storage'),
  path: z.string().max(4096).refine(isDevicePath, 'is not the path of a device under /dev/'),
  /** `none` opens the device with O_DIRECT. */
  cache: z.enum(['writeback', 'none']).default('none'),
  readOnly: z.boolean().default(false),
  /** What the volume's own control plane was asked for; opaque, kept byte for byte, never looked into. */
  request: z
    .string()
    .refine((text) => utf8Length(text) <= REQUEST_BYTES, `is larger than ${REQUEST_BYTES} bytes`)
    .optional(),
});

/** A small read-only disk whose content is in the spec itself: a cloud-init seed. */
export const blobStorageV2 = z.strictObject({
  kind: z.literal('blob-storage'),
  contentBase64: z.string().superRefine((text, context) => {
    const problem = describeBadBlob(text);
    if (problem !== null) context.addIssue(problem);
  }),
});

export const componentV2 = z.discriminatedUnion('kind', [
  virtioDiskV1,
  nvmeDiskV1,
  virtioNicV1,
  serialPortV1,
  pvpanicV2,
  rngV2,
  fileStorageV1,
  blockStorageV2,
  blobStorageV2,
  userNetworkV1,
  tapNetworkV1,
  vhostUserNetworkV1,
  vfioDeviceV1,
  vdpaNetworkV1,
]);

const cpuV1 = instanceSpecV1.shape.cpu.unwrap().shape;

export const instanceSpecV2 = z.strictObject({
  name: instanceSpecV1.shape.name,
  vmm: instanceSpecV1.shape.vmm,
  cpus: instanceSpecV1.shape.cpus,
  memoryMiB: instanceSpecV1.shape.memoryMiB,
  machineType: instanceSpecV1.shape.machineType,
  cpu: z
    .strictObject({
      model: cpuV1.model,
      features: cpuV1.features,
      /** No more than KVM takes (KVM_MAX_CPUID_ENTRIES). */
      cpuid: z.array(cpuidEntryV2).max(256).default([]),
    })
    .default({ model: 'qemu64', features: {}, cpuid: [] }),
  accelerator: instanceSpecV1.shape.accelerator,
  smbios: smbiosV2.nullable().default(null),
  boot: instanceSpecV1.shape.boot,
  components: z.record(componentIdV1, componentV2).default({}),
});

/** Version 2 as decoded: defaults filled in. */
export type InstanceSpecV2 = z.output<typeof instanceSpecV2>;
export type ComponentV2 = z.output<typeof componentV2>;

/** What version 1 cannot say is a loss; everything that it knows means the same in both. */
export const conversionV2: Conversion<InstanceSpecV1, InstanceSpecV2> = {
  up: ({ cpu, ...spec }) => ({ ...spec, cpu: { ...cpu, cpuid: [] }, smbios: null }),
  down: ({ smbios, cpu: { cpuid, ...cpu }, components, ...spec }) => {
    const losses: Loss[] = [];
    if (smbios !== null) losses.push({ path: ['smbios'], feature: 'smbios' });
    if (cpuid.length > 0) losses.push({ path: ['cpu', 'cpuid'], feature: 'cpu.cpuid' });
    const kept: Record<string, ComponentV1> = {};
    for (const [id, component] of Object.entries(components)) {
      if (isComponentV1(component)) kept[id] = component;
      else losses.push({ path: ['components', id], feature: `${id} (${component.kind})` });
    }
    return { older: { ...spec, cpu, components: kept }, losses };
  },
};

const kindsV1: readonly string[] = componentV1.options.map(({ shape }) => shape.kind.value);

function isComponentV1(component: ComponentV2): component is ComponentV1 {
  return kindsV1.includes(component.kind);
}

/** Nothing in the path may lead out of /dev. */
function isDevicePath(path: string): boolean {
  const [root, first, ...names] = path.split('/');
  return root === '' && first === 'dev' && names.length > 0 && !names.some((name) => /^\.{0,2}$/.test(name));
}

/** What is wrong with the content of a blob, as the end of a sentence. Canonical base64, so that one content has one text. */
function describeBadBlob(text: string): string | null {
  // The length is looked at first: nothing larger is walked through.
  if (text.length > Math.ceil(BLOB_BYTES / 3) * 4) return `is larger than ${BLOB_BYTES} bytes decoded`;
  if (text.length % 4 !== 0 || !CANONICAL_BASE64.test(text)) return 'is not base64 with its padding';
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = (text.length / 4) * 3 - padding;
  if (bytes > BLOB_BYTES) return `is larger than ${BLOB_BYTES} bytes decoded`;
  if (bytes > 0 && bytes % SECTOR_BYTES === 0) return null;
  return `is ${bytes} bytes decoded, which is not a whole number of ${SECTOR_BYTES}-byte sectors`;
}

/** Bits beyond the last byte are zero (RFC 4648, section 3.5). */
const CANONICAL_BASE64 = /^[A-Za-z0-9+/]*(?:[AQgw]==|[AEIMQUYcgkosw048]=)?$/;

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
