/** What an instance was started as, which every later VMM of it must be as well. */
import type { KvmProbe } from '@drover/native';
import type { InstanceSpec } from '@drover/types';
import type { SettledIdentity, VmmIdentity } from '../driver.js';
import { vmmErrors } from '../errors.js';
import type { QemuMachine } from '../qmp/commands.js';
import { chooseAccelerator } from './accelerator.js';
import type { KernelKind } from './kernel-image.js';
import type { QemuFacts } from './probe.js';

export interface IdentityQuestion {
  readonly spec: InstanceSpec;
  readonly facts: QemuFacts;
  readonly kvm: KvmProbe;
  readonly kernel: KernelKind | null;
  /** What the instance already is; null at its first launch. */
  readonly settled: SettledIdentity | null;
}

/** Throws `machine-type-unknown` or `accelerator-unusable` where this host cannot provide it. */
export function decideIdentity({ spec, facts, kvm, kernel, settled }: IdentityQuestion): VmmIdentity {
  const machine = findMachine(facts, settled?.machineType ?? spec.machineType);
  if (settled !== null && !isVersioned(machine.name)) refuseOtherRelease(settled, facts);
  const { accelerator, reason } = chooseAccelerator({
    asked: spec.accelerator,
    settled: settled?.accelerator ?? null,
    kvm,
    kernel,
  });
  return {
    driver: 'qemu',
    version: facts.version,
    machineType: machine.name,
    accelerator,
    acceleratorReason: settled?.acceleratorReason ?? reason,
  };
}

/** By exact name or alias. Throws `machine-type-unknown`. */
export function findMachine(facts: QemuFacts, name: string): QemuMachine {
  const found =
    facts.machines.find((machine) => machine.name === name) ??
    facts.machines.find((machine) => machine.alias === name);
  if (found && found.name !== 'none') return found;
  const family = name.replace(/-?[\d.]+$/, '');
  const alike = facts.machines
    .filter((machine) => family !== '' && machine.name.startsWith(family))
    .slice(0, 4)
    .map((machine) => machine.name);
  throw vmmErrors.error(
    'machine-type-unknown',
    `QEMU ${facts.version} on this host has no machine type "${name}"${alike.length > 0 ? `; it has ${alike.join(', ')}` : ''}. Install a QEMU that has it, or choose another type.`,
  );
}

/** Exact names of the machine types whose layout this driver knows, oldest release first. */
export function guestMachines(machines: readonly QemuMachine[]): string[] {
  return machines
    .map(({ name }) => name)
    .filter((name) => /^(pc-q35-|pc-i440fx-|microvm$)/.test(name))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** `pc-q35-7.2` is the same machine in every release; `microvm` is whatever a release makes of it. */
function isVersioned(machineType: string): boolean {
  return /-\d+\.\d+(\.\d+)?$/.test(machineType);
}

function refuseOtherRelease(settled: SettledIdentity, facts: QemuFacts): void {
  if (settled.version === null) return;
  const release = (version: string): string => version.split('.').slice(0, 2).join('.');
  if (release(settled.version) === release(facts.version)) return;
  throw vmmErrors.error(
    'machine-type-unknown',
    `The machine type ${settled.machineType} is not versioned, so an instance on QEMU ${settled.version} cannot go to QEMU ${facts.version}. Use the same release on both hosts, or a versioned machine type.`,
  );
}
