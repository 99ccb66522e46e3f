/**
 * Where in a migration a fault is made: every boundary between its phases, and inside each. `hold` is the step at which an agent is held (see
 * `packages/host-agent/src/migrations/holds.ts`); null where pages are on their way and nothing needs to be held.
 */
import type { DestinationStep } from '@drover/destination-agent';
import type { SourceStep } from '@drover/source-agent';

export interface Phase {
  readonly name: string;
  readonly says: string;
  readonly hold: `source.${SourceStep}` | `destination.${DestinationStep}` | null;
  /** Whether RELINQUISHED is on the source's disk: from there on the guest can go on only where the destination's journal says. */
  readonly relinquished: boolean;
}

export const PHASES = [
  {
    name: 'making',
    says: 'the VMM is made, PREPARED not sent',
    hold: 'destination.vmm-made',
    relinquished: false,
  },
  { name: 'prepared', says: 'PREPARED received, no page sent', hold: 'source.prepared', relinquished: false },
  { name: 'rounds', says: 'pages on their way, the guest writing', hold: null, relinquished: false },
  {
    name: 'paused',
    says: 'the guest paused, the last round not sent',
    hold: 'source.paused',
    relinquished: false,
  },
  {
    name: 'last-round',
    says: 'all memory sent, SWITCHOVER not',
    hold: 'source.last-round-sent',
    relinquished: false,
  },
  {
    name: 'memory',
    says: 'all memory received, device state not waited for',
    hold: 'destination.memory-received',
    relinquished: false,
  },
  {
    name: 'loaded',
    says: 'device state loaded, READY perhaps not on disk',
    hold: 'destination.loaded',
    relinquished: false,
  },
  {
    name: 'ready',
    says: 'READY on disk, not sent',
    hold: 'destination.ready-journaled',
    relinquished: false,
  },
  {
    name: 'handover',
    says: 'READY received, RELINQUISHED not on disk',
    hold: 'source.ready-received',
    relinquished: false,
  },
  {
    name: 'relinquished',
    says: 'RELINQUISHED on disk, COMMIT not sent',
    hold: 'source.relinquished',
    relinquished: true,
  },
  {
    name: 'commit',
    says: 'COMMIT received, OWNED not on disk',
    hold: 'destination.commit-received',
    relinquished: true,
  },
  {
    name: 'owned',
    says: 'OWNED on disk, the guest not resumed',
    hold: 'destination.owned-journaled',
    relinquished: true,
  },
  {
    name: 'resumed',
    says: 'the guest resumed, RUNNING not sent',
    hold: 'destination.resumed',
    relinquished: true,
  },
  {
    name: 'running',
    says: 'RUNNING received, DONE not on disk',
    hold: 'source.running-received',
    relinquished: true,
  },
] as const satisfies readonly Phase[];

export type PhaseName = (typeof PHASES)[number]['name'];

/** Whether a phase comes before another. */
export function isBefore(phase: PhaseName, other: PhaseName): boolean {
  const place = (name: PhaseName) => PHASES.findIndex((each) => each.name === name);
  return place(phase) < place(other);
}
