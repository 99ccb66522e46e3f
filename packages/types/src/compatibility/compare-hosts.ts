/** What depends on the hosts as well: their VMMs and the state of their devices. */
import { formatVersions } from '../document/versions.js';
import { type CompatibilityFinding, type Direction, note, refusal, type Sides } from './finding.js';
import type { CompatibilityV1, DriverCompatibilityV1 } from './v1.js';

/** A source writes the last version of a kind; the destination must read exactly that one. */
export function* compareDeviceStates({ directions }: Sides): Iterable<CompatibilityFinding> {
  for (const { direction, source, destination } of directions) {
    for (const [kind, versions] of Object.entries(source.manifest.deviceStates)) {
      const written = versions.at(-1);
      const read = own(destination.manifest.deviceStates, kind);
      if (written === undefined || read?.includes(written)) continue;
      if (read === undefined && !isKnownBy(destination.manifest, kind)) continue;
      const reads = read === undefined ? 'has no such device' : `reads ${formatVersions(read)}`;
      yield refusal(
        direction,
        'device-state-version-unsupported',
        `${source.name} writes the state of ${kind} in version ${written}, and ${destination.name} ${reads}: a guest that has one cannot move there.`,
        `Upgrade ${whatMakes(kind)} on ${destination.name}.`,
      );
    }
  }
}

export function* compareDrivers(sides: Sides): Iterable<CompatibilityFinding> {
  const bare = [sides.a, sides.b].find(({ manifest }) => manifest.host === null);
  const host = [sides.a, sides.b].find(({ manifest }) => manifest.host !== null);
  if (bare !== undefined) {
    if (host === undefined) return;
    yield note(
      'both',
      'hosts-unknown',
      `${bare.name} is no host, so VMMs, machine types, accelerators and device classes were not compared with those of ${host.name}.`,
      'Compare the manifests of two hosts (drover version --json --agent URL).',
    );
    return;
  }
  for (const direction of sides.directions) {
    for (const driver of direction.source.manifest.drivers) yield* compareDriver(direction, driver);
  }
}

function* compareDriver(
  { direction, source, destination }: Direction,
  driver: DriverCompatibilityV1,
): Iterable<CompatibilityFinding> {
  // Nothing runs on a driver that its host cannot use.
  if (driver.accelerators.length === 0) return;
  const other = destination.manifest.drivers.find(({ name }) => name === driver.name);
  const guests = `guests of ${source.name} under ${driver.name}`;
  if (other === undefined || other.accelerators.length === 0) {
    yield refusal(
      direction,
      'vmm-kind-unsupported',
      `${destination.name} has no usable driver ${driver.name}: ${guests} cannot move there.`,
      `Upgrade Drover on ${destination.name}, or run drover doctor there and install what it names.`,
    );
    return;
  }
  if (!driver.ramModes.some((mode) => other.ramModes.includes(mode))) {
    yield refusal(
      direction,
      'vmm-kind-unsupported',
      `${destination.name} has the RAM modes ${list(other.ramModes)} for ${driver.name} and ${source.name} ${list(driver.ramModes)}: ${guests} cannot move there.`,
      `Upgrade the older release.`,
    );
  }
  // Hosts of release 0.1 said nothing of what their QEMU has.
  if ((driver.machineTypes.length === 0) !== (other.machineTypes.length === 0)) {
    const silent = other.machineTypes.length === 0 ? destination : source;
    // Once, for both directions.
    if (direction === 'b-to-a') return;
    yield note(
      'both',
      'hosts-unknown',
      `${silent.name} does not say which machine types and accelerators its ${driver.name} has, so they were not compared.`,
      `Upgrade Drover on ${silent.name} to have them compared.`,
    );
    return;
  }
  const lost = driver.accelerators.filter((name) => !other.accelerators.includes(name));
  if (lost.length > 0) {
    yield refusal(
      direction,
      'accelerator-unusable',
      `${destination.name} has no ${list(lost)} for ${driver.name}: ${guests} that run on it cannot move there.`,
      `Run drover doctor on ${destination.name}; guests under another accelerator move.`,
    );
  }
  yield* compareMachineTypes({ direction, source, destination }, driver, other);
}

/** A guest keeps its exact machine type for life. */
function* compareMachineTypes(
  { direction, source, destination }: Direction,
  driver: DriverCompatibilityV1,
  other: DriverCompatibilityV1,
): Iterable<CompatibilityFinding> {
  const stay = driver.machineTypes.filter((type) => !other.machineTypes.includes(type));
  if (stay.length === 0) return;
  const version = other.version === null ? driver.name : `${driver.name} ${other.version}`;
  if (stay.length === driver.machineTypes.length) {
    yield refusal(
      direction,
      'machine-type-unknown',
      `${destination.name} with ${version} has none of the machine types of ${source.name}: no guest under ${driver.name} can move there.`,
      `Install a ${driver.name} on ${destination.name} that has ${list(stay.slice(-1))}.`,
    );
    return;
  }
  yield note(
    direction,
    'machine-types-stay',
    `${destination.name} with ${version} has no ${shortList(stay)}: ${guestsOf(stay)} on ${source.name}.`,
    `Nothing for other guests; install a newer ${driver.name} on ${destination.name}, or make instances with a machine type that both have.`,
  );
}

/** Bare releases, hosts of release 0.1 and hosts without that VMM list none of its device classes: that says nothing of one. */
function isKnownBy(manifest: CompatibilityV1, kind: string): boolean {
  if (!kind.includes('/')) return true;
  const family = kind.slice(0, kind.indexOf('/') + 1);
  return Object.keys(manifest.deviceStates).some((other) => other.startsWith(family));
}

/** `qemu/e1000e` is QEMU's own; every other kind is Drover's. */
function whatMakes(kind: string): string {
  return kind.includes('/') ? kind.slice(0, kind.indexOf('/')) : 'Drover';
}

function guestsOf(types: readonly string[]): string {
  return types.length === 1 ? 'guests of this type stay' : 'guests of these types stay';
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ');
}

/** The first few, and how many more. */
function shortList(names: readonly string[], shown = 4): string {
  const more = names.length - shown;
  return more > 0 ? `${names.slice(0, shown).join(', ')} (and ${more} more)` : names.join(', ');
}

/** `hasOwn`, because every object inherits something called "constructor". */
function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
