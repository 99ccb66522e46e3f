import { PAGE_SIZE } from '@drover/native';
import type { ControlMessage } from '@drover/protocol';
import { INSTANCE_SPEC_VERSIONS } from '@drover/types';
import { destinationErrors } from './errors.js';

export type Hello = ControlMessage<'hello'>;

/** Versions of the VMM's own device state that this side reads; for driver qemu its stream, version 1. */
export const DEVICE_STATE_VERSIONS = [1] as const;
/** Page channels that this side takes at most. */
export const MAX_CONNECTIONS = 64;

/** The destination's hello. */
export function ourHello(release: string, hostName: string): Hello {
  return {
    release,
    host: hostName,
    instanceSpec: [...INSTANCE_SPEC_VERSIONS],
    deviceState: [...DEVICE_STATE_VERSIONS],
    pageSize: PAGE_SIZE,
    maxConnections: MAX_CONNECTIONS,
  };
}

/** Refuses a source with which no migration is possible, whatever it asks for (R7); names both sides' windows. */
export function checkHello(theirs: Hello): void {
  const who = `source ${theirs.host} (release ${theirs.release})`;
  if (theirs.pageSize !== PAGE_SIZE) {
    throw destinationErrors.error(
      'page-size-unsupported',
      `The ${who} uses pages of ${theirs.pageSize} bytes, this host ${PAGE_SIZE}; guests cannot move between them.`,
    );
  }
  if (!theirs.deviceState.some((version) => DEVICE_STATE_VERSIONS.some((ours) => ours === version))) {
    throw destinationErrors.error(
      'device-state-version-unsupported',
      `The ${who} writes device state versions ${theirs.deviceState.join(', ')}, this host reads ${DEVICE_STATE_VERSIONS.join(', ')}; upgrade the side that is behind.`,
    );
  }
}
