/** What a spec can ask for and QEMU cannot give: refused before anything is made, as `spec-unsupported-by-qemu`. */
import type { InstanceSpec } from '@drover/types';
import { vmmErrors } from '../errors.js';
import { isMicrovm, placeDevices } from './slots.js';

/** Whatever the host and the machine type are. */
export function refuseUnsupported(spec: InstanceSpec): void {
  if (spec.vmm !== 'qemu') {
    throw refusal(
      `Instance "${spec.name}" asks for the VMM "${spec.vmm}", and this is the driver for QEMU. Set vmm to "qemu".`,
    );
  }
  if (spec.cpu.cpuid.length > 0) {
    throw refusal(
      `Instance "${spec.name}" gives explicit CPUID entries (cpu.cpuid), which QEMU cannot set. Leave them out, and choose a CPU model and features.`,
    );
  }
  if (spec.clock === 'stopped') {
    throw refusal(
      `Instance "${spec.name}" asks for clock "stopped", and the real-time clock of a guest under QEMU goes on with its host's. Set clock to "wall".`,
    );
  }
}

/** What depends on the exact machine type. */
export function refuseOnMachine(spec: InstanceSpec, machineType: string): void {
  if (spec.smbios !== null && isMicrovm(machineType)) {
    throw refusal(
      `Instance "${spec.name}" has SMBIOS fields, and the machine type microvm has no SMBIOS tables. Use q35 or pc, or leave smbios out.`,
    );
  }
  placeDevices(spec, machineType);
}

function refusal(sentence: string): Error {
  return vmmErrors.error('spec-unsupported-by-qemu', sentence);
}
