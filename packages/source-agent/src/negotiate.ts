import { PAGE_SIZE } from '@drover/native';
import type { ControlMessage } from '@drover/protocol';
import {
  DroverError,
  INSTANCE_SPEC_VERSIONS,
  type InstanceSpec,
  type InstanceSpecEnvelope,
  writeInstanceSpec,
} from '@drover/types';
import { sourceErrors } from './errors.js';

export type Hello = ControlMessage<'hello'>;

/** Versions of the VMM's own device state that this side writes and reads; for driver qemu its stream, version 1. */
export const DEVICE_STATE_VERSIONS = [1] as const;
/** Page channels that this side opens at most. */
export const MAX_CONNECTIONS = 64;

/** The source's hello. */
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

/** What both sides will use. */
export interface Agreement {
  readonly spec: InstanceSpecEnvelope;
  readonly connections: number;
}

/**
 * Picks what both sides can: the newest spec version that loses nothing, and as many connections as both take. Throws
 * `peer-incompatible` or `spec-not-convertible`, naming both sides' windows; nothing has happened anywhere by then (R7).
 */
export function agree(theirs: Hello, spec: InstanceSpec, connections: number): Agreement {
  const who = `destination ${theirs.host} (release ${theirs.release})`;
  if (theirs.pageSize !== PAGE_SIZE) {
    throw sourceErrors.error(
      'peer-incompatible',
      `The ${who} uses pages of ${theirs.pageSize} bytes, this host ${PAGE_SIZE}; guests cannot move between them.`,
    );
  }
  if (!theirs.deviceState.some((version) => DEVICE_STATE_VERSIONS.some((ours) => ours === version))) {
    throw sourceErrors.error(
      'peer-incompatible',
      `The ${who} reads device state versions ${theirs.deviceState.join(', ')}, this host writes ${DEVICE_STATE_VERSIONS.join(', ')}; upgrade the side that is behind.`,
    );
  }
  return {
    spec: envelopeFor(theirs, spec, who),
    connections: Math.min(connections, theirs.maxConnections, MAX_CONNECTIONS),
  };
}

function envelopeFor(theirs: Hello, spec: InstanceSpec, who: string): InstanceSpecEnvelope {
  try {
    return writeInstanceSpec(spec, theirs.instanceSpec);
  } catch (cause) {
    if (cause instanceof DroverError && cause.code === 'spec-version-unknown') {
      throw sourceErrors.error(
        'peer-incompatible',
        `The ${who} reads instance spec versions ${theirs.instanceSpec.join(', ')}, this host writes ${INSTANCE_SPEC_VERSIONS.join(', ')}; upgrade the side that is behind.`,
        cause,
      );
    }
    throw sourceErrors.error(
      'spec-not-convertible',
      `The spec of "${spec.name}" cannot be said in the versions that the ${who} reads: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    );
  }
}
