/** What this host says of itself: its description, and its compatibility manifest. */
import { releaseCompatibility } from '@drover/protocol';
import { type Compatibility, type DeviceStateVersions, type Host, RELEASE } from '@drover/types';
import type { DriverProbe } from '@drover/vmm';
import type { AgentParts } from '../host-agent.js';

export async function describeHost(agent: AgentParts): Promise<Host> {
  const { hostId, name, peer, driver } = agent;
  const probe = await driver.probe();
  const { version, unusable } = probe;
  return {
    hostId,
    name,
    release: RELEASE,
    peer,
    compatibility: await compatibilityBy(agent, probe),
    drivers: [{ name: driver.name, version, ramModes: [...driver.ramModes], unusable }],
  };
}

export async function describeCompatibility(agent: AgentParts): Promise<Compatibility> {
  return compatibilityBy(agent, await agent.driver.probe());
}

/** The release's windows, as far as the operator lets them, and what the host's VMMs add. */
async function compatibilityBy(agent: AgentParts, probe: DriverProbe): Promise<Compatibility> {
  const { name, driver, peerVersions } = agent;
  const release = releaseCompatibility();
  const usable = probe.unusable === null;
  return {
    ...release,
    host: name,
    peerProtocol: [...(peerVersions ?? release.peerProtocol)],
    deviceStates: { ...(usable ? copied(await statesOf(agent)) : {}), ...release.deviceStates },
    drivers: [
      {
        name: driver.name,
        version: probe.version,
        machineTypes: [...probe.machineTypes],
        accelerators: usable ? [...probe.accelerators] : [],
        ramModes: [...driver.ramModes],
      },
    ],
  };
}

/** A VMM that does not tell its device states moves no guest; the manifest then lists none of them. */
async function statesOf({ driver, logger }: AgentParts): Promise<DeviceStateVersions> {
  try {
    return await driver.deviceStates();
  } catch (err) {
    logger.warn({ err }, 'the versions of the device states of this host are not known');
    return {};
  }
}

function copied(states: DeviceStateVersions): Record<string, number[]> {
  return Object.fromEntries(Object.entries(states).map(([kind, versions]) => [kind, [...versions]]));
}
