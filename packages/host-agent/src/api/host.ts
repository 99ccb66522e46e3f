/** What this host says of itself: its description, and its compatibility manifest. */
import { releaseCompatibility } from '@drover/protocol';
import { type Compatibility, type DeviceStateVersions, type Host, RELEASE } from '@drover/types';
import type { DriverProbe, VmmDriver } from '@drover/vmm';
import type { Logger } from 'pino';
import type { AgentParts } from '../host-agent.js';
import { hostCapacity, hostCpu } from './hardware.js';

/** A driver, and what it found on this host. */
interface Probed {
  readonly driver: VmmDriver;
  readonly probe: DriverProbe;
}

export async function describeHost(agent: AgentParts): Promise<Host> {
  const { hostId, name, peer } = agent;
  const probed = await probeAll(agent);
  return {
    hostId,
    name,
    release: RELEASE,
    peer,
    cpu: hostCpu(),
    capacity: hostCapacity(),
    compatibility: await compatibilityBy(agent, probed),
    drivers: probed.map(({ driver, probe: { version, unusable } }) => ({
      name: driver.name,
      version,
      ramModes: [...driver.ramModes],
      unusable,
    })),
  };
}

export async function describeCompatibility(agent: AgentParts): Promise<Compatibility> {
  return compatibilityBy(agent, await probeAll(agent));
}

function probeAll({ drivers }: AgentParts): Promise<Probed[]> {
  return Promise.all(drivers.map(async (driver) => ({ driver, probe: await driver.probe() })));
}

/** The release's windows, as far as the operator lets them, and what the host's VMMs add. */
async function compatibilityBy(agent: AgentParts, probed: readonly Probed[]): Promise<Compatibility> {
  const { name, peerVersions, logger } = agent;
  const release = releaseCompatibility();
  const usable = probed.filter(({ probe }) => probe.unusable === null);
  const states = await Promise.all(usable.map(({ driver }) => statesOf(driver, logger)));
  return {
    ...release,
    host: name,
    peerProtocol: [...(peerVersions ?? release.peerProtocol)],
    deviceStates: { ...copied(Object.assign({}, ...states)), ...release.deviceStates },
    drivers: probed.map(({ driver, probe }) => ({
      name: driver.name,
      version: probe.version,
      machineTypes: [...probe.machineTypes],
      accelerators: probe.unusable === null ? [...probe.accelerators] : [],
      ramModes: [...driver.ramModes],
    })),
  };
}

/** A VMM that does not tell its device states moves no guest; the manifest then lists none of them. */
async function statesOf(driver: VmmDriver, logger: Logger): Promise<DeviceStateVersions> {
  try {
    return await driver.deviceStates();
  } catch (err) {
    logger.warn({ err, driver: driver.name }, 'the versions of the device states of this host are not known');
    return {};
  }
}

function copied(states: DeviceStateVersions): Record<string, number[]> {
  return Object.fromEntries(Object.entries(states).map(([kind, versions]) => [kind, [...versions]]));
}
