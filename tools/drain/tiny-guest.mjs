import { BARE_GUEST, bareGuestVmm } from '../guest/bare.mjs';

/** @import { InstanceSpecInput } from '@drover/types' */

/**
 * The bare-metal guest that checks its own memory, with so little to do that twenty of them fit on two processors whose KVM emulates.
 *
 * @param {string} name
 * @param {'qemu' | 'machine'} vmm
 * @returns {InstanceSpecInput}
 */
export function tinyGuest(name, vmm) {
  return {
    ...{ name, cpus: 1, memoryMiB: 32 },
    ...bareGuestVmm[vmm],
    boot: { from: 'kernel', kernel: BARE_GUEST, cmdline: 'pages=64 rate=50 beat-us=20000' },
    components: { console: { kind: 'serial-port', port: 'com1' } },
  };
}
