/**
 * QEMU's run states as the driver's statuses. A suspended guest counts as running: a wake-up starts it without anybody's
 * leave, so only a state from which QEMU never goes on by itself is `paused` (R1).
 *
 * | QEMU | status |
 * | --- | --- |
 * | running, suspended | running |
 * | inmigrate | incomplete |
 * | prelaunch, paused, finish-migrate, postmigrate, save-vm, restore-vm, debug, colo | paused |
 * | shutdown | guest-stopped |
 * | guest-panicked | guest-panicked |
 * | internal-error, io-error, watchdog, anything new | failed |
 */
import type { VmmStatus } from '../driver.js';

const paused = new Set([
  'prelaunch',
  'paused',
  'finish-migrate',
  'postmigrate',
  'save-vm',
  'restore-vm',
  'debug',
  'colo',
]);

export function statusOf(runState: string): VmmStatus {
  if (runState === 'running' || runState === 'suspended') return 'running';
  if (runState === 'inmigrate') return 'incomplete';
  if (paused.has(runState)) return 'paused';
  if (runState === 'shutdown') return 'guest-stopped';
  if (runState === 'guest-panicked') return 'guest-panicked';
  return 'failed';
}

/** Why QEMU stopped the guest by itself, for a status of `failed`. */
export function failurePhrase(runState: string, kvmFailure: string | null): string {
  switch (runState) {
    case 'internal-error':
      return `The accelerator could not go on with the guest: ${kvmFailure ?? 'see the VMM log'}.`;
    case 'io-error':
      return 'A disk gave an error, and QEMU stopped the guest. Check the space and the state of its storage.';
    case 'watchdog':
      return "The guest's watchdog fired.";
    default:
      return `QEMU stopped the guest (${runState}).`;
  }
}
