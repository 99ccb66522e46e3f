/** The bare-metal guest, for programs that start it under either VMM. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** Its kernel; `npm run bootstrap` builds it. */
export const BARE_GUEST = join(repository, 'native/guest/build/drover-guest.elf');

/** What its instance spec says of the VMM. An emulating KVM does not know cmpxchg16b, and offers no CPU that has it. */
export const bareGuestVmm = {
  machine: { vmm: /** @type {const} */ ('machine') },
  qemu: { machineType: 'q35', cpu: { model: 'qemu64', features: { cx16: false } } },
};
