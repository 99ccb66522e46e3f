import { type Compatibility, type DriverCompatibility, formatVersions } from '@drover/types';

/** Every window of a manifest, one a line, for a person. */
export function renderManifest(manifest: Compatibility): string {
  const { release, host, deviceStates, capabilities, agentApi, cloudHypervisorWire, drivers } = manifest;
  const rows: readonly (readonly [title: string, value: string])[] = [
    ['peer protocol', formatVersions(manifest.peerProtocol)],
    ['instance spec', formatVersions(manifest.instanceSpec)],
    ['VMM state', formatVersions(manifest.vmmState)],
    ['host description', formatVersions(manifest.hostDescription)],
    ['migration report', formatVersions(manifest.migrationReport)],
    ['agent API', agentApi.join(', ')],
    ['Cloud Hypervisor wire', formatVersions(cloudHypervisorWire)],
    ['capabilities', capabilities.length === 0 ? 'none' : capabilities.join(', ')],
    ...Object.entries(deviceStates).map(
      ([kind, versions]) => [`device state ${kind}`, formatVersions(versions)] as const,
    ),
    ...drivers.map((driver) => [`driver ${driver.name}`, describeDriver(driver)] as const),
  ];
  const width = Math.max(...rows.map(([title]) => title.length));
  const lines = rows.map(([title, value]) => `  ${title.padEnd(width)}  ${value}\n`);
  return `drover ${release}${host === null ? '' : ` on ${host}`}\n${lines.join('')}`;
}

function describeDriver({ version, accelerators, ramModes, machineTypes }: DriverCompatibility): string {
  if (accelerators.length === 0) return 'not usable';
  return [
    ...(version === null ? [] : [version]),
    accelerators.join(' and '),
    `RAM mode ${ramModes.join(' or ')}`,
    describeMachineTypes(machineTypes),
  ].join('; ');
}

/** All of them where they are few; `--json` has every one. */
function describeMachineTypes(types: readonly string[]): string {
  if (types.length > 6) return `${types.length} machine types, ${types[0]} to ${types.at(-1)}`;
  return `machine types ${types.join(', ') || 'none'}`;
}
