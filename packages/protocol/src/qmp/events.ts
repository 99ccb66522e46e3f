/** The events that the driver acts on, read from their raw form. */
import type { QmpEvent } from './message.js';

/** How a run of QEMU's `migrate` or `migrate-incoming` ended; undefined for every other event. */
export function migrationEnd(event: QmpEvent): 'completed' | 'failed' | 'cancelled' | undefined {
  if (event.name !== 'MIGRATION') return undefined;
  const { status } = event.data;
  return status === 'completed' || status === 'failed' || status === 'cancelled' ? status : undefined;
}

/** True when the guest itself asked to power off. */
export function isGuestShutdown(event: QmpEvent): boolean {
  return event.name === 'SHUTDOWN' && event.data.guest === true;
}

/** True when the guest itself asked for a reset. */
export function isGuestReset(event: QmpEvent): boolean {
  return event.name === 'RESET' && event.data.guest === true;
}
