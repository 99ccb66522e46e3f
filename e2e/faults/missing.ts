import { native } from '@drover/native';

/** Why no guest of a machine runs here; null when one does. */
export const machineMissing = ((): string | null => {
  try {
    native().kvmHost();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
})();
