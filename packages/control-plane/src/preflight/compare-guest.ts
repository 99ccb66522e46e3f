/**
 * What two hosts' descriptions say of moving one guest. {@link compareCompatibility} compares two hosts for all guests that could run on them; here
 * its manifests are first cut down to what this guest uses, so that a refusal is about this guest. Pure.
 *
 * What depends on more than descriptions (disks, networks, memory that is free now) is asked of the agents themselves.
 */
import {
  type Compatibility,
  compareCompatibility,
  type Host,
  type InstanceSpec,
  missingCpuFeatures,
  missingInSpecVersions,
  type VmmState,
} from '@drover/types';
import { type Finding, refuse, warn } from './finding.js';

export interface GuestComparison {
  readonly spec: InstanceSpec;
  /** Of the VMM that it runs in; null where it is not known. */
  readonly vmm: Pick<VmmState, 'driver' | 'accelerator' | 'machineType'> | null;
  readonly source: Host;
  readonly destination: Host;
}

export function compareGuest({ spec, vmm, source, destination }: GuestComparison): readonly Finding[] {
  const driver = vmm?.driver ?? spec.vmm;
  const used: Used = { driver, accelerator: vmm?.accelerator ?? null, machineType: vmm?.machineType ?? null };
  const compare = (states: 'of every guest' | 'of some guests') =>
    compareCompatibility(
      cutDown(source.compatibility, used, states),
      cutDown(destination.compatibility, { driver, accelerator: null, machineType: null }, states),
    ).findings.filter(({ direction, code }) => direction !== 'b-to-a' && !IRRELEVANT.has(code));
  return [
    ...specFindings(spec, destination),
    ...compare('of every guest').map(({ severity, code, sentence, remedy }) => ({
      severity,
      code,
      sentence,
      remedy,
    })),
    // Which devices this guest has in the VMM's own words is for the agents to say.
    ...compare('of some guests')
      .filter(({ code }) => code === 'device-state-version-unsupported')
      .map(({ code, sentence, remedy }) => warn(code, sentence, remedy)),
    ...cpuFindings(spec, used.accelerator, source, destination),
  ];
}

/** Notes on what the control plane's own requests use, and what is judged for this guest's spec instead. */
const IRRELEVANT: ReadonlySet<string> = new Set([
  'api-version-older',
  'documents-newer',
  'spec-features-stay',
]);

const DRIVERS: readonly VmmState['driver'][] = ['qemu', 'machine', 'cloud-hypervisor'];

interface Used {
  readonly driver: VmmState['driver'];
  readonly accelerator: string | null;
  readonly machineType: string | null;
}

/** The manifest without the drivers, machine types, accelerators and device states that the guest has nothing to do with. */
function cutDown(
  manifest: Compatibility,
  { driver, accelerator, machineType }: Used,
  states: 'of every guest' | 'of some guests',
): Compatibility {
  return {
    ...manifest,
    deviceStates: Object.fromEntries(
      Object.entries(manifest.deviceStates).filter(
        ([kind]) =>
          (driverOf(kind) ?? driver) === driver && ofEveryGuest(kind) === (states === 'of every guest'),
      ),
    ),
    cloudHypervisorWire: driver === 'cloud-hypervisor' ? manifest.cloudHypervisorWire : [],
    drivers: manifest.drivers
      .filter(({ name }) => name === driver)
      .map((each) => ({
        ...each,
        accelerators: only(each.accelerators, accelerator),
        machineTypes: only(each.machineTypes, machineType),
      })),
  };
}

function driverOf(kind: string): string | undefined {
  return DRIVERS.find((name) => kind === name || kind.startsWith(`${name}/`) || kind.startsWith(`${name}-`));
}

/** A machine is the same for all; of QEMU's device classes a guest has a few, and its stream always. */
function ofEveryGuest(kind: string): boolean {
  return !kind.startsWith('qemu/');
}

/** The one in use, where the host lists it; an older host lists none. */
function only(names: readonly string[], used: string | null): string[] {
  return used === null || !names.includes(used) ? [...names] : [used];
}

function specFindings(spec: InstanceSpec, { name, compatibility }: Host): readonly Finding[] {
  const missing = missingInSpecVersions(spec, compatibility.instanceSpec) ?? [];
  if (missing.length === 0) return [];
  const features = missing.map(({ feature, needs }) => `${feature} needs instance spec ${needs}`);
  return [
    refuse(
      'spec-not-convertible',
      `Host ${name} reads instance specs up to version ${Math.max(...compatibility.instanceSpec)}, and ${features.join(', ')}.`,
      `Upgrade Drover on ${name}, or do without it.`,
    ),
  ];
}

/** CPU models that show the guest what the host's processor has. */
const HOST_MODELS: ReadonlySet<string> = new Set(['host', 'max']);

/** Under TCG every processor is emulated, and a guest needs nothing of the host's. */
function cpuFindings(
  spec: InstanceSpec,
  accelerator: string | null,
  source: Host,
  destination: Host,
): readonly Finding[] {
  if (accelerator === 'tcg' || destination.cpu === null) return [];
  // The machine shows its guests the host's processor whatever model is named.
  const whole = spec.vmm === 'machine' || HOST_MODELS.has(spec.cpu.model);
  const explicit = Object.entries(spec.cpu.features);
  const off = explicit.flatMap(([name, on]) => (on ? [] : [name]));
  const shown = whole ? missingCpuFeatures(source.cpu?.features ?? [], off) : [];
  const needed = [...shown, ...explicit.flatMap(([name, on]) => (on ? [name] : []))];
  const missing = missingCpuFeatures(needed, destination.cpu.features);
  if (missing.length === 0) return [];
  return [
    refuse(
      'cpu-not-offered',
      `The processor of host ${destination.name} lacks ${missing.join(', ')}, which the guest may use.`,
      'Choose a host whose processor has them, or restart the guest with a CPU model that both hosts have.',
    ),
  ];
}
