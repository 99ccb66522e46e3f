import { native } from '@drover/native';
import { BARE_GUEST, bareGuestVmm } from '../guest/bare.mjs';
import { buildGuests, LINUX_CMDLINE } from '../guest/build.mjs';

/** @import { InstanceSpecInput } from '@drover/types' */

/**
 * @typedef {object} DemoGuest
 * @property {string} description
 * @property {InstanceSpecInput} spec
 * @property {number} bootTimeoutMs
 */

/** Pages of 4 KiB in 64 MiB. */
const WORKING_SET_PAGES = 16_384;

/**
 * The bare-metal guest that checks its own memory. It runs under KVM wherever /dev/kvm runs anything at all, otherwise under TCG.
 *
 * @param {'qemu' | 'machine'} vmm
 * @returns {DemoGuest}
 */
function bareGuest(vmm) {
  // Where KVM emulates every instruction, 0.4 µs each, more than this would be all that the guest does.
  const rate = native().probeKvm().kind === 'emulated' ? 2_000 : 10_000;
  return {
    description: `a bare-metal guest of 256 MiB that writes ${rate} pages/s of a 64 MiB working set and checks them`,
    bootTimeoutMs: 60_000,
    spec: {
      name: 'demo',
      cpus: 1,
      memoryMiB: 256,
      ...bareGuestVmm[vmm],
      boot: {
        from: 'kernel',
        kernel: BARE_GUEST,
        cmdline: `pages=${WORKING_SET_PAGES} rate=${rate} pattern=random`,
      },
      components: { console: { kind: 'serial-port', port: 'com1' } },
    },
  };
}

/**
 * Debian's kernel with a load program that does the same, under TCG.
 *
 * @param {(line: string) => void} log
 * @returns {Promise<DemoGuest>}
 */
async function linuxGuest(log) {
  const { linuxKernel, linuxInitrd } = await buildGuests({ log });
  return {
    description: 'a Linux guest of 1 GiB that writes 20,000 pages/s of a 512 MiB working set and checks them',
    bootTimeoutMs: 180_000,
    spec: {
      name: 'demo',
      cpus: 1,
      memoryMiB: 1024,
      machineType: 'q35',
      cpu: { model: 'qemu64' },
      accelerator: 'tcg',
      boot: {
        from: 'kernel',
        kernel: linuxKernel,
        initrd: linuxInitrd,
        cmdline: `${LINUX_CMDLINE} pages=131072 rate=20000 pattern=random`,
      },
      components: { console: { kind: 'serial-port', port: 'com1' } },
    },
  };
}

/**
 * @param {'bare' | 'linux'} kind
 * @param {'qemu' | 'machine'} vmm
 * @param {(line: string) => void} log
 * @returns {Promise<DemoGuest>}
 */
export async function demoGuest(kind, vmm, log) {
  return kind === 'bare' ? bareGuest(vmm) : linuxGuest(log);
}
