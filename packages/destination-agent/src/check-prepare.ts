import { PAGE_SIZE } from '@drover/native';
import {
  type ControlMessage,
  type CpuDefinition,
  checkCapabilities,
  checkDeviceStates,
  checkPageSize,
  DEVICE_STATE_KINDS,
  type PeerHello,
  PeerLimits,
  type ReceivedMessage,
} from '@drover/protocol';
import { type InstanceSpec, newestCommon, readInstanceSpec } from '@drover/types';
import type { Vmm, VmmIdentity } from '@drover/vmm';
import { destinationErrors } from './errors.js';
import type { LocalWindows } from './local-windows.js';

/** A PREPARE of any version, in the terms of the newest. */
export type Prepare = ControlMessage<'prepare', 2>;

/** Largest region and offset: what a file offset holds. */
const MAX_BYTES = (1n << 63n) - 1n;
/** Largest epoch that leaves room for a handover and a taking back. */
const MAX_EPOCH = (1n << 64n) - 4n;

/** A PREPARE that this host can try to follow, in its own terms. */
export interface Accepted {
  readonly migrationId: string;
  readonly instanceId: string;
  /** What a handover gives this host. */
  readonly epoch: bigint;
  readonly spec: InstanceSpec;
  readonly identity: VmmIdentity;
  readonly cpu: CpuDefinition | null;
  readonly regions: readonly { readonly id: string; readonly sizeBytes: bigint }[];
  readonly populate: ReadonlyArray<readonly [region: number, offset: bigint, length: bigint]>;
  readonly connections: number;
  /** Peer protocol version in use. */
  readonly version: number;
}

/**
 * Version 1 has no word for what its device state is: it is QEMU's stream, in the newest version that both hellos have; in the source's
 * own where there is none, for the refusal that follows.
 */
export function readPrepare(received: ReceivedMessage<'prepare'>, source: PeerHello): Prepare {
  if (received.version === 2) return received.message;
  const theirs = source.deviceStates['qemu-stream'] ?? [];
  const stream = newestCommon(theirs, DEVICE_STATE_KINDS['qemu-stream']) ?? Math.max(...theirs);
  return { ...received.message, deviceStates: { 'qemu-stream': stream }, capabilities: [] };
}

/**
 * Judges a PREPARE before anything is made (R6, R7). Throws the refusal: `spec-version-unknown`, `spec-invalid`,
 * `page-size-unsupported`, `device-state-version-unsupported`, `capability-not-offered`, `vmm-kind-unsupported`, `connections-unsupported`,
 * `epoch-invalid` or `regions-invalid`.
 */
export function checkPrepare(
  request: Prepare,
  source: PeerHello,
  us: LocalWindows,
  version: number,
): Accepted {
  checkPageSize(source, `source ${source.host} (release ${source.release})`);
  const here = { host: us.hostName, release: us.release };
  checkDeviceStates(request.deviceStates, source, us.deviceStates, here);
  checkCapabilities(request.capabilities, us.capabilities, source.host);
  const spec = readInstanceSpec(request.spec);
  const { driver, ramMode, version: vmmVersion, machineType, accelerator } = request.vmm;
  if (driver !== spec.vmm || ramMode !== 'external') {
    throw destinationErrors.error(
      'vmm-kind-unsupported',
      `"${spec.name}" runs under ${driver} with RAM mode ${ramMode}; its spec asks for ${spec.vmm}, which has external here.`,
    );
  }
  if (request.connections > PeerLimits.channels) {
    throw destinationErrors.error(
      'connections-unsupported',
      `${request.connections} connections were asked for, this host takes ${PeerLimits.channels}.`,
    );
  }
  const epoch = BigInt(request.epoch);
  if (epoch > MAX_EPOCH) {
    throw destinationErrors.error('epoch-invalid', `No handover is possible from epoch ${epoch}.`);
  }
  const regions = readRegions(request.regions);
  return {
    migrationId: request.migrationId,
    instanceId: request.instanceId,
    epoch: epoch + 1n,
    spec,
    identity: {
      driver: spec.vmm,
      version: vmmVersion,
      machineType,
      accelerator,
      acceleratorReason: `the guest started with ${accelerator} on ${source.host} and keeps it for life`,
    },
    cpu: request.cpu ?? null,
    regions,
    populate: readPopulate(request.populate, regions),
    connections: request.connections,
    version,
  };
}

/** Refuses a VMM that came out other than the source's: other memory, or another kind of machine. */
export function checkVmm(vmm: Vmm, accepted: Accepted): void {
  const { identity } = vmm.record;
  const { identity: asked } = accepted;
  if (identity.machineType !== asked.machineType || identity.accelerator !== asked.accelerator) {
    throw destinationErrors.error(
      'identity-mismatch',
      `"${accepted.spec.name}" needs ${asked.machineType} with ${asked.accelerator}; this host made ${identity.machineType} with ${identity.accelerator}.`,
    );
  }
  const say = (regions: Accepted['regions']) =>
    regions.map(({ id, sizeBytes }) => `${id} ${sizeBytes}`).join(', ') || 'none';
  if (say(vmm.regions) !== say(accepted.regions)) {
    throw destinationErrors.error(
      'regions-mismatch',
      `The memory regions of "${accepted.spec.name}" are ${say(accepted.regions)} at the source and ${say(vmm.regions)} here.`,
    );
  }
}

function readRegions(regions: Prepare['regions']): Accepted['regions'] {
  const seen = new Set<string>();
  return regions.map(({ id, sizeBytes }) => {
    const size = BigInt(sizeBytes);
    if (seen.has(id)) throw invalid(`region "${id}" is there twice`);
    if (size > MAX_BYTES || size % BigInt(PAGE_SIZE) !== 0n) {
      throw invalid(`region "${id}" has ${size} bytes, which is not a possible whole number of pages`);
    }
    seen.add(id);
    return { id, sizeBytes: size };
  });
}

/** Ascending and apart, so that populating them costs no more than the memory there is. */
function readPopulate(ranges: Prepare['populate'], regions: Accepted['regions']): Accepted['populate'] {
  let last = { region: 0, end: 0n };
  return ranges.map(([region, offsetText, lengthText]) => {
    const [offset, length] = [BigInt(offsetText), BigInt(lengthText)];
    const size = regions[region]?.sizeBytes ?? -1n;
    const ascending = region > last.region || (region === last.region && offset >= last.end);
    const aligned = offset % BigInt(PAGE_SIZE) === 0n && length % BigInt(PAGE_SIZE) === 0n;
    if (offset + length > size || !ascending || !aligned) {
      throw invalid(
        `the populate range ${region}:${offset}+${length} is not inside its region, aligned and ascending`,
      );
    }
    last = { region, end: offset + length };
    return [region, offset, length] as const;
  });
}

function invalid(what: string) {
  return destinationErrors.error('regions-invalid', `The source describes impossible memory: ${what}.`);
}
