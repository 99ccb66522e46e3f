import {
  DEVICE_STATE_KINDS,
  IMPLEMENTED_CAPABILITIES,
  type PeerSide,
  type PeerVersion,
} from '@drover/protocol';
import type { DeviceStateVersions } from '@drover/types';
import type { DestinationHost } from './host.js';

/** What an operator may hold this side to. */
export interface Limits {
  /** Versions of the peer protocol, as `selectPeerVersions` gives them; default: all of this release. */
  readonly peerVersions?: readonly PeerVersion[] | undefined;
  /** Capabilities offered, numbers of the registry; default: what this release implements. */
  readonly capabilities?: readonly number[] | undefined;
}

/** What this side says of itself in its hello, and so what it holds a PREPARE to. */
export interface LocalWindows extends PeerSide {
  readonly deviceStates: DeviceStateVersions;
  readonly capabilities: readonly number[];
}

/**
 * Asks the host. Device states that it cannot tell are left out: who asks about a migration that is over must be answered all the same, and
 * a PREPARE that needs them is refused.
 */
export async function localWindows(host: DestinationHost, limits: Limits): Promise<LocalWindows> {
  const ofVmms = await host.deviceStates().catch((thrown: unknown) => {
    host.logger.warn({ err: thrown }, 'the versions of the device states of this host are not known');
    return {};
  });
  return {
    release: host.release,
    hostName: host.hostName,
    deviceStates: { ...ofVmms, ...DEVICE_STATE_KINDS },
    capabilities: limits.capabilities ?? IMPLEMENTED_CAPABILITIES,
  };
}
