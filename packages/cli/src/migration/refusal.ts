import type { MigrationOutcome } from '../progress/display.js';

/**
 * Codes of what goes wrong by itself while two agents find together: links, deadlines, the guest. Everything else that ends a
 * migration before its first round is somebody saying no.
 */
export const mishaps: ReadonlySet<string> = new Set([
  'agent-stopping',
  'bulk-failed',
  'bulk-receive-failed',
  'channel-closed',
  'cloud-hypervisor-closed',
  'cloud-hypervisor-timeout',
  'cloud-hypervisor-violation',
  'destination-journal-failed',
  'destination-misbehaved',
  'destination-stopping',
  'destination-too-slow',
  'destination-vmm-ended',
  'guest-ended',
  'guest-panicked',
  'guest-was-reset',
  'internal',
  'journal-write-failed',
  'machine-closed',
  'machine-protocol',
  'machine-timeout',
  'migration-interrupted',
  'migration-overdue',
  'migration-timed-out',
  'peer-closed',
  'peer-silent',
  'peer-timeout',
  'peer-unreachable',
  'peer-violation',
  'qmp-closed',
  'qmp-protocol',
  'qmp-timeout',
  'source-journal-failed',
  'source-lost',
  'source-misbehaved',
  'source-stopping',
  'tracker-failed',
  'vmm-ended',
  'vmm-lost',
]);

/** True for a migration that was turned down before a page was sent, by the source's own checks or by the destination. */
export function wasRefused({
  state,
  phase,
  error,
}: Pick<MigrationOutcome, 'state' | 'phase' | 'error'>): boolean {
  if (state !== 'failed' || error === null) return false;
  const early = phase === null || phase === 'connecting' || phase === 'preparing';
  return early && !mishaps.has(error.code) && !error.code.startsWith('native-');
}
