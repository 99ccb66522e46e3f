import {
  type AnyControlChannel,
  checkDeviceStates,
  checkPageSize,
  chooseCapabilities,
  DEVICE_STATE_KINDS,
  type HostName,
  type PeerHello,
  PeerLimits,
  type WrittenDeviceStates,
} from '@drover/protocol';
import { type InstanceSpec, type InstanceSpecEnvelope, newestCommon, writeInstanceSpec } from '@drover/types';
import type { Vmm } from '@drover/vmm';

/** What the source brings to the choice. */
export interface Offer {
  readonly source: HostName;
  readonly spec: InstanceSpec;
  /** Page channels asked for. */
  readonly connections: number;
  /** Kinds and versions in which the VMM writes its device state. */
  readonly deviceStates: WrittenDeviceStates;
  /** Numbers of the registry. */
  readonly capabilities: readonly number[];
}

/** What both sides will use. */
export interface Agreement {
  readonly spec: InstanceSpecEnvelope;
  readonly connections: number;
  readonly deviceStates: WrittenDeviceStates;
  readonly capabilities: readonly number[];
}

/**
 * Picks what both sides can: the newest spec version that loses nothing, all capabilities and as many connections as both take. Throws
 * `page-size-unsupported`, `device-state-version-unsupported`, `spec-version-unknown` or `spec-not-convertible`, naming both sides' windows;
 * nothing has happened anywhere by then (R7).
 */
export function agree(theirs: PeerHello, offer: Offer): Agreement {
  checkPageSize(theirs, `destination ${theirs.host} (release ${theirs.release})`);
  checkDeviceStates(offer.deviceStates, offer.source, theirs.deviceStates, theirs);
  return {
    spec: writeInstanceSpec(offer.spec, theirs.instanceSpec, theirs.host),
    connections: Math.min(offer.connections, theirs.maxConnections, PeerLimits.channels),
    deviceStates: offer.deviceStates,
    capabilities: chooseCapabilities(offer.capabilities, theirs.capabilities),
  };
}

/**
 * The kinds and versions in which a VMM's device state will be written, as far as this channel's version can say them: version 1 of the
 * protocol knows the stream alone and leaves the devices in it to the VMMs.
 */
export async function writtenDeviceStates(
  vmm: Vmm,
  channel: AnyControlChannel,
  theirs: PeerHello,
): Promise<WrittenDeviceStates> {
  const stream: WrittenDeviceStates =
    vmm.record.identity.driver === 'qemu' ? { 'qemu-stream': streamVersion(theirs) } : {};
  return channel.version === 1 ? stream : { ...(await vmm.deviceStates()), ...stream };
}

/** The newest that both have; ours where there is none, for the refusal that follows. */
function streamVersion({ deviceStates }: PeerHello): number {
  const ours = DEVICE_STATE_KINDS['qemu-stream'];
  return newestCommon(ours, deviceStates['qemu-stream'] ?? []) ?? Math.max(...ours);
}
