import { native } from '@drover/native';

/**
 * Drover's own machine where `/dev/kvm` runs it, because it needs nothing else and is the smallest; otherwise QEMU.
 *
 * @param {string | null} asked
 * @returns {'qemu' | 'machine'}
 */
export function usableVmm(asked) {
  if (asked !== null) {
    if (asked === 'qemu' || asked === 'machine') return asked;
    throw new Error(`--vmm is "${asked}"; it can be qemu or machine`);
  }
  // An addon that does not load is a failure, not a host without KVM.
  const addon = native();
  try {
    addon.kvmHost();
    return 'machine';
  } catch {
    return 'qemu';
  }
}
