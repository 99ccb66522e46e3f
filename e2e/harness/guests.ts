/** The guests of the suites, as specs, and what they say about themselves. */
import { existsSync } from 'node:fs';
import type { InstanceSpecInput } from '@drover/types';
import { bareGuest } from './paths.js';

interface BareGuest {
  readonly name: string;
  /** Working set, pages. */
  readonly pages: number;
  /** Page writes a second, or `max`. */
  readonly rate: number | 'max';
  readonly memoryMiB?: number;
  readonly accelerator?: 'auto' | 'kvm' | 'tcg';
  readonly components?: InstanceSpecInput['components'];
  readonly words?: string;
}

/** The bare-metal guest: flat, self-checking, and simple enough for a KVM that emulates instructions. */
export function bareSpec(guest: BareGuest): InstanceSpecInput {
  return {
    name: guest.name,
    cpus: 1,
    memoryMiB: guest.memoryMiB ?? 128,
    machineType: 'q35',
    cpu: { model: 'qemu64', features: { cx16: false } },
    accelerator: guest.accelerator ?? 'auto',
    boot: {
      from: 'kernel',
      kernel: bareGuest,
      cmdline: `pages=${guest.pages} rate=${guest.rate} ${guest.words ?? ''}`.trim(),
    },
    components: { com1: { kind: 'serial-port', port: 'com1' }, ...guest.components },
  };
}

interface MachineGuest {
  readonly name: string;
  /** Working set, pages. */
  readonly pages: number;
  /** Page writes a second, or `max`. */
  readonly rate: number | 'max';
  readonly cpus?: number;
  readonly memoryMiB?: number;
}

/** The same bare-metal guest, on Drover's own machine; in instance spec 3, which has a word for it. */
export function machineSpec({
  name,
  pages,
  rate,
  cpus = 1,
  memoryMiB = 128,
}: MachineGuest): InstanceSpecInput {
  return {
    ...{ name, vmm: 'machine', cpus, memoryMiB },
    boot: { from: 'kernel', kernel: bareGuest, cmdline: `pages=${pages} rate=${rate}` },
    components: { com1: { kind: 'serial-port', port: 'com1' } },
  };
}

interface LinuxGuest {
  readonly name: string;
  readonly memoryMiB: number;
  readonly pages: number;
  readonly rate: number;
  readonly components?: InstanceSpecInput['components'];
  readonly words?: string;
}

const built = process.env.DROVER_E2E_GUESTS;
const linux =
  built === undefined ? null : (JSON.parse(built) as { linuxKernel: string; linuxInitrd: string });

/** Why the Linux guest cannot run here; null when it can. */
export const linuxMissing: string | null =
  linux !== null && existsSync(linux.linuxKernel)
    ? null
    : (process.env.DROVER_E2E_NO_LINUX ??
      'run the suites through e2e/main.mjs, which builds the Linux guest');

/** A stock Linux kernel with a load program in its initramfs. Always TCG: it is the guest QEMU's own precopy loses. */
export function linuxSpec(guest: LinuxGuest): InstanceSpecInput {
  if (linux === null) throw new Error(linuxMissing ?? 'no Linux guest');
  return {
    name: guest.name,
    cpus: 1,
    memoryMiB: guest.memoryMiB,
    machineType: 'q35',
    accelerator: 'tcg',
    boot: {
      from: 'kernel',
      kernel: linux.linuxKernel,
      initrd: linux.linuxInitrd,
      cmdline:
        `console=ttyS0 quiet panic=-1 nokaslr pages=${guest.pages} rate=${guest.rate} ${guest.words ?? ''}`.trim(),
    },
    components: { com1: { kind: 'serial-port', port: 'com1' }, ...guest.components },
  };
}
