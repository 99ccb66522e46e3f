/**
 * Compatibility manifest, version 1: every version window of a release, and of a host what its VMMs add. Frozen; see
 * `instance-spec/v1.ts` for what that means.
 *
 * It carries no document of another kind, so that it can be read whatever else the other release speaks.
 */
import { z } from 'zod';

/** Versions of a protocol or document, ascending, each once. */
const versions = z.array(z.int().min(1).max(65_535)).min(1).max(64);

/** Device classes have versions from 0 on. The last one is what is written. */
const stateVersions = z.array(z.int().min(0).max(0x7fff_ffff)).min(1).max(64);

const name = z.string().min(1).max(64);

export const driverCompatibilityV1 = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'is not the name of a driver'),
  /** Of the VMM itself; null where it is Drover's own. */
  version: z.string().max(64).nullable(),
  /** Exact names, never an alias. */
  machineTypes: z.array(name).max(512),
  /** What guests can run on here; empty where the driver cannot be used. */
  accelerators: z.array(name).max(16),
  ramModes: z.array(name).max(16),
});

export const compatibilityV1 = z.strictObject({
  /** Semver. */
  release: name,
  /** The host's name; null for a bare release, which has no drivers. */
  host: z.string().min(1).max(253).nullable(),
  peerProtocol: versions,
  instanceSpec: versions,
  vmmState: versions,
  hostDescription: versions,
  migrationReport: versions,
  /** By kind: `qemu-stream`, `qemu/virtio-blk`. */
  deviceStates: z
    .record(z.string().regex(/^[ -~]{1,64}$/, 'is not 1–64 printable ASCII characters'), stateVersions)
    .refine((kinds) => Object.keys(kinds).length <= 256, 'has more than 256 kinds'),
  /** By name, as the peer protocol's registry lists them. */
  capabilities: z.array(name).max(64),
  agentApi: z
    .array(z.string().regex(/^[1-9][0-9]{0,4}\.0\.0$/, 'is not a version such as 1.0.0'))
    .min(1)
    .max(64),
  /** Version 0 is one of them. */
  cloudHypervisorWire: z.array(z.int().min(0).max(65_535)).max(64),
  drivers: z.array(driverCompatibilityV1).max(16),
});

/** Version 1 as decoded. */
export type CompatibilityV1 = z.output<typeof compatibilityV1>;
export type DriverCompatibilityV1 = z.output<typeof driverCompatibilityV1>;
