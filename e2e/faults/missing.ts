import { native } from '@drover/native';

/** Why no guest of a machine runs here; null when one does. */
export const machineMissing = ((): string | null => {
  // An addon that does not load is a failure, not a host without KVM.
  const addon = native();
  try {
    addon.kvmHost();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
})();
