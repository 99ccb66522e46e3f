/** What the sending half is given, what it needs from its caller, and what it answers. */
import type {
  ErrorBody,
  InstanceSpec,
  MigrationPhase,
  MigrationProgress,
  MigrationReport,
  MigrationSettings,
} from '@drover/types';
import type { Vmm } from '@drover/vmm';
import type { Logger } from 'pino';
import type { SourceSide } from './control.js';
import type { SourceDeadlines } from './deadlines.js';
import type { Doubt } from './doubt.js';

/**
 * The source's part of the ownership journal. Every promise resolves when the record is synced to disk, never before (R4).
 */
export interface SourceJournal {
  /** The instance is given up; `epoch` is what the destination gets. From here only the destination may run it. */
  relinquish(epoch: bigint): Promise<void>;
  /** The destination runs the guest; nothing is left to ask. */
  done(): Promise<void>;
  /** The migration ended before it was given up; also after a {@link relinquish} that failed and was never acted on. */
  aborted(): Promise<void>;
  /** The destination's journal says ABORTED: the instance is ours again, under a higher `epoch`. */
  takeBack(epoch: bigint): Promise<void>;
  /** A step follows in a few milliseconds, and a guest will wait for it. Left out where it would change nothing. */
  wakeDisk?(): void;
}

/** Where a destination's agent listens for peers. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

/** What it takes to ask a destination how a handover ended; enough to go on after an agent's restart. */
export interface InDoubtMigration extends SourceSide {
  readonly migrationId: string;
  readonly instance: { readonly id: string; readonly name: string };
  /** The epoch that the source held before it relinquished; the destination got one more. */
  readonly epoch: bigint;
  /**
   * The paused VMM. Destroyed when the destination owns the instance, resumed when it never will; null when it could not be
   * found again after a restart.
   */
  readonly vmm: Vmm | null;
  readonly destination: PeerAddress;
  readonly journal: SourceJournal;
  /** The agent is stopping: leave everything as it is. */
  readonly shutdown: AbortSignal;
  /** Shows the doubt while there is one, and takes an operator's word. */
  readonly doubt?: Doubt | undefined;
  readonly logger: Logger;
  onNote(text: string): void;
  /** Overrides of single deadlines; for tests and slow hosts. */
  readonly deadlines?: Partial<SourceDeadlines>;
}

/** Where {@link SourceMigration.reached} is called: what has just happened. */
export type SourceStep =
  | 'prepared'
  | 'paused'
  | 'last-round-sent'
  | 'ready-received'
  | 'relinquished'
  | 'commit-sent'
  | 'running-received';

/** One migration, from the source's side. */
export interface SourceMigration extends InDoubtMigration {
  readonly instance: { readonly id: string; readonly name: string; readonly spec: InstanceSpec };
  readonly vmm: Vmm;
  readonly settings: MigrationSettings;
  /** Existing directory for the state socket. Short: unix socket paths end at 107 bytes. */
  readonly runDirectory: string;
  /** Asks for a cancel; heeded until the handover. */
  readonly signal: AbortSignal;
  /** At most every 100 ms. */
  onProgress(progress: MigrationProgress): void;
  onPhase(phase: MigrationPhase): void;
  /** Relinquished, and the destination's word is missing; the guest stays paused and the destination is asked (R4). */
  onInDoubt(reason: ErrorBody): void;
  /** For tests: waited for at each step. */
  readonly reached?: ((step: SourceStep) => Promise<void>) | undefined;
}

/** What is left of the guest at the source after a migration that did not move it. */
export type GuestLeft = 'running' | 'paused' | 'gone';

/**
 * | kind | who owns the instance | the source's VMM |
 * | --- | --- | --- |
 * | completed | destination | destroyed |
 * | failed, cancelled | source | as `guest` says |
 * | in-doubt | not known here; the destination's journal tells | paused, kept |
 */
export type SourceOutcome =
  | { readonly kind: 'completed'; readonly report: MigrationReport; readonly vmmDestroyed: true }
  | { readonly kind: 'failed' | 'cancelled'; readonly error: ErrorBody; readonly guest: GuestLeft }
  | { readonly kind: 'in-doubt'; readonly error: ErrorBody };

/** How {@link import('./in-doubt.js').settleInDoubt} ended; as {@link SourceOutcome}, without a report. */
export type InDoubtOutcome =
  | { readonly kind: 'completed'; readonly vmmDestroyed: true }
  | { readonly kind: 'failed'; readonly error: ErrorBody; readonly guest: GuestLeft }
  | { readonly kind: 'in-doubt'; readonly error: ErrorBody };
