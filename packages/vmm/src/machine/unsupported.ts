/**
 * What a spec can ask for and a machine cannot give: refused by name before anything is made, as `spec-unsupported-by-machine`. A machine
 * has a serial port, starts a kernel, and shows its guest the processor of the host.
 */
import { type InstanceSpec, instanceSpecSchema } from '@drover/types';
import { vmmErrors } from '../errors.js';

/** The one machine type: what devices there are and where. A change that a guest could see would be another. */
export const MACHINE_TYPE = 'machine-1';

/** What a spec says that leaves the choice of the processor and of the machine type to others. */
const unset = instanceSpecSchema.parse({
  name: 'unset',
  cpus: 1,
  memoryMiB: 1,
  boot: { from: 'kernel', kernel: '/k' },
});

export function refuseUnsupported(spec: InstanceSpec): void {
  const asked = firstUnsupported(spec);
  if (asked === null) return;
  throw vmmErrors.error(
    'spec-unsupported-by-machine',
    `Instance "${spec.name}" asks for ${asked}, which a machine does not have. Leave it out, or set vmm to "qemu".`,
  );
}

/** The end of a sentence; null when a machine has all of it. */
function firstUnsupported(spec: InstanceSpec): string | null {
  const { vmm, boot, cpu, machineType, accelerator, smbios } = spec;
  if (vmm !== 'machine') return `the VMM "${vmm}"`;
  if (boot.from !== 'kernel') return 'a start from disks (boot.from)';
  if (machineType !== unset.machineType && machineType !== MACHINE_TYPE)
    return `the machine type ${machineType}`;
  if (accelerator === 'tcg') return 'the accelerator tcg';
  if (cpu.model !== unset.cpu.model && cpu.model !== 'host') return `the CPU model ${cpu.model}`;
  const [feature] = Object.keys(cpu.features);
  if (feature !== undefined) return `a choice of CPU features (cpu.features.${feature})`;
  if (cpu.cpuid.length > 0) return 'explicit CPUID entries (cpu.cpuid)';
  if (smbios !== null) return 'SMBIOS fields';
  for (const [id, { kind }] of Object.entries(spec.components)) {
    if (kind !== 'serial-port') return `a ${kind} ("${id}")`;
  }
  return null;
}
