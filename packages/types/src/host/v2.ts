/**
 * Host description, version 2: the compatibility manifest in the place of a few windows, and more drivers and RAM modes. Frozen;
 * see `instance-spec/v1.ts` for what that means.
 */
import { z } from 'zod';
import { type CompatibilityV1, compatibilityV1 } from '../compatibility/v1.js';
import { sameJson } from '../document/same-json.js';
import type { Conversion, Loss } from '../document/versions.js';
import { type HostV1, hostV1 } from './v1.js';

export const hostV2 = z.strictObject({
  hostId: hostV1.shape.hostId,
  name: hostV1.shape.name,
  release: hostV1.shape.release,
  peer: hostV1.shape.peer,
  /** What it speaks, reads and runs. Its release is the host's. */
  compatibility: compatibilityV1,
  drivers: z.array(
    z.strictObject({
      name: z.enum(['qemu', 'machine', 'cloud-hypervisor']),
      version: z.string().nullable(),
      ramModes: z.array(z.enum(['external', 'relay'])),
      /** Why it cannot be used, as a sentence; null when it can. */
      unusable: z.string().nullable(),
    }),
  ),
});
export type HostV2 = z.output<typeof hostV2>;

/** A host that says only version 1 means for the rest what release 0.1 always was. */
export const conversionV2: Conversion<HostV1, HostV2> = {
  up: ({ accepts, ...host }) => ({ ...host, compatibility: impliedByV1({ accepts, ...host }) }),
  down: ({ compatibility, drivers, ...host }) => {
    const losses: Loss[] = [];
    const { peerProtocol, instanceSpec, vmmState } = compatibility;
    const kept: HostV1['drivers'] = [];
    for (const [index, driver] of drivers.entries()) {
      const asV1 = driverSchemaV1.safeParse(driver);
      if (asV1.success) kept.push(asV1.data);
      else losses.push({ path: ['drivers', index], feature: `driver ${driver.name}` });
    }
    const older: HostV1 = { ...host, accepts: { peerProtocol, instanceSpec, vmmState }, drivers: kept };
    const implied = impliedByV1(older);
    for (const field of Object.keys(compatibility) as (keyof CompatibilityV1)[]) {
      if (sameJson(compatibility[field], implied[field])) continue;
      losses.push({ path: ['compatibility', field], feature: `compatibility.${field}` });
    }
    return { older, losses };
  },
};

const driverSchemaV1 = hostV1.shape.drivers.element;

function impliedByV1({ name, release, accepts, drivers }: HostV1): CompatibilityV1 {
  return {
    release,
    host: name,
    ...accepts,
    hostDescription: [1],
    migrationReport: [1],
    deviceStates: { 'qemu-stream': [1] },
    capabilities: [],
    agentApi: ['1.0.0'],
    cloudHypervisorWire: [],
    drivers: drivers.map((driver) => ({
      name: driver.name,
      version: driver.version,
      // Version 1 does not say which machine types there are, nor whether KVM runs guests; TCG always does.
      machineTypes: [],
      accelerators: driver.unusable === null ? ['tcg'] : [],
      ramModes: driver.ramModes,
    })),
  };
}
