import {
  type Compatibility,
  HOST_VERSIONS,
  INSTANCE_SPEC_VERSIONS,
  MIGRATION_REPORT_VERSIONS,
  RELEASE,
  VMM_STATE_VERSIONS,
} from '@drover/types';
import { AGENT_API_VERSIONS } from './agent/index.js';
import { CLOUD_HYPERVISOR_WIRE_VERSIONS } from './cloud-hypervisor/registry.js';
import { sayCapabilities } from './peer/capabilities.js';
import { DEVICE_STATE_KINDS } from './peer/device-states.js';
import { IMPLEMENTED_CAPABILITIES, PEER_VERSIONS } from './peer/registry.js';

/**
 * The compatibility manifest of this release by itself: every window that the code fixes. A host adds its name, its drivers and the
 * kinds of device state that its VMMs read.
 */
export function releaseCompatibility(): Compatibility {
  return {
    release: RELEASE,
    host: null,
    peerProtocol: [...PEER_VERSIONS],
    instanceSpec: [...INSTANCE_SPEC_VERSIONS],
    vmmState: [...VMM_STATE_VERSIONS],
    hostDescription: [...HOST_VERSIONS],
    migrationReport: [...MIGRATION_REPORT_VERSIONS],
    deviceStates: Object.fromEntries(
      Object.entries(DEVICE_STATE_KINDS).map(([kind, versions]) => [kind, [...versions]]),
    ),
    capabilities: [...sayCapabilities(IMPLEMENTED_CAPABILITIES)],
    agentApi: [...AGENT_API_VERSIONS],
    cloudHypervisorWire: [...CLOUD_HYPERVISOR_WIRE_VERSIONS],
    drivers: [],
  };
}
