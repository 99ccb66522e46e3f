import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @import { InstanceSpecInput } from '@drover/types' */

const repository = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The bare-metal guest that checks its own memory, with so little to do that twenty of them fit on two processors whose KVM emulates.
 *
 * @param {string} name
 * @param {'qemu' | 'machine'} vmm
 * @returns {InstanceSpecInput}
 */
export function tinyGuest(name, vmm) {
  return {
    name,
    cpus: 1,
    memoryMiB: 32,
    ...(vmm === 'machine'
      ? { vmm }
      : { machineType: 'q35', cpu: { model: 'qemu64', features: { cx16: false } } }),
    boot: {
      from: 'kernel',
      kernel: join(repository, 'native/guest/build/drover-guest.elf'),
      cmdline: 'pages=64 rate=50 beat-us=20000',
    },
    components: { console: { kind: 'serial-port', port: 'com1' } },
  };
}
