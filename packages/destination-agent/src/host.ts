/** What the receiving half needs from the agent that it lives in. */
import type { BulkReceiver } from '@drover/native';
import type { CpuDefinition } from '@drover/protocol';
import type {
  DeviceStateVersions,
  ErrorBody,
  InstanceSpec,
  MigrationPhase,
  MigrationProgress,
  MigrationReport,
} from '@drover/types';
import type { Vmm, VmmIdentity } from '@drover/vmm';
import type { Logger } from 'pino';

/** An incoming migration, as it is shown to people. */
export interface IncomingMigration {
  readonly migrationId: string;
  readonly instanceId: string;
  readonly spec: InstanceSpec;
  /** The epoch that a handover gives this host: one more than the source holds. */
  readonly epoch: bigint;
  /** The source's name for itself, and where its control connection comes from. */
  readonly source: { readonly hostName: string; readonly release: string; readonly address: string };
}

/** What is to be made for an incoming migration: a paused VMM that waits for device state. */
export interface PrepareRequest {
  readonly migrationId: string;
  readonly instanceId: string;
  /** As in {@link IncomingMigration}. */
  readonly epoch: bigint;
  readonly spec: InstanceSpec;
  readonly identity: VmmIdentity;
  /** What the guest was promised of its processors; null where its VMM does not tell. */
  readonly cpu: CpuDefinition | null;
  /** Aborted when the migration is off: what was made so far must go. */
  readonly signal: AbortSignal;
}

/**
 * What an operator decides of a migration that is READY, because its source is lost for good.
 *
 * | decision | what it does |
 * | --- | --- |
 * | take-over | OWNED goes to disk at the epoch of the handover, which is above what the source held; then the guest runs here |
 * | give-up | ABORTED goes to disk; then the VMM goes |
 */
export type OperatorDecision = 'take-over' | 'give-up';

/** Where {@link DestinationHost.reached} is called: what has just happened. */
export type DestinationStep =
  | 'vmm-made'
  | 'memory-received'
  | 'loaded'
  | 'ready-journaled'
  | 'commit-received'
  | 'owned-journaled'
  | 'resumed';

export type JournalOutcome = 'owned' | 'aborted' | 'ready' | 'preparing' | 'unknown';

/**
 * The destination's part of the ownership journal, for one migration. Every promise resolves when the record is synced
 * to disk, never before (R4). All epochs are the one that the handover gives this host. Appending what the journal
 * already says is harmless.
 */
export interface DestinationJournal {
  preparing(epoch: bigint): Promise<void>;
  ready(epoch: bigint): Promise<void>;
  owned(epoch: bigint): Promise<void>;
  aborted(): Promise<void>;
  /** A step follows in a few milliseconds, and a guest will wait for it. Left out where it would change nothing. */
  wakeDisk?(): void;
  /** What is on disk; `unknown` and 0 when there is no record. */
  outcome(): { readonly outcome: JournalOutcome; readonly epoch: bigint };
}

/** How an incoming migration ended. `cancelled`: the source called it off; why, says the message. */
export type DestinationEnding =
  /** This host owns the instance. `resumed` is false where its VMM did not resume and stays paused. */
  | { readonly kind: 'completed'; readonly epoch: bigint; readonly resumed: boolean }
  | { readonly kind: 'failed' | 'cancelled'; readonly error: ErrorBody };

/** Hooks that only tell something (`started`, `waits`, `onPhase`, `onProgress`, `ended`, `onReport`) must return at once and not throw. */
export interface DestinationHost {
  readonly release: string;
  readonly hostName: string;
  readonly logger: Logger;
  /**
   * The versions of device state that this host's VMMs can load, by kind. Asked for each connection, so to be answered from memory; a
   * rejection is taken for "none".
   */
  deviceStates(): Promise<DeviceStateVersions>;
  /**
   * Makes the VMM, paused. Rejects with a DroverError to refuse (name taken, instance already here, no memory …); its code
   * and sentence reach the source. On rejection nothing is left.
   */
  prepare(request: PrepareRequest): Promise<Vmm>;
  journal(migrationId: string, instanceId: string): DestinationJournal;
  /** Hands bulk connections whose hello carries `token` to `receiver` until the returned function is called. */
  routeBulk(token: Uint8Array, receiver: BulkReceiver): () => void;
  /**
   * The request was accepted and {@link prepare} will be called; from here {@link ended} is called exactly once, unless the agent is
   * closed while the migration is READY.
   */
  started(incoming: IncomingMigration): void;
  /** READY, and nobody is there to say what becomes of it: `reason` says why. Followed by {@link ended}, or by nothing for as long as it takes. */
  waits(migrationId: string, reason: string): void;
  onPhase(migrationId: string, phase: MigrationPhase): void;
  /** At most every 100 ms. */
  onProgress(migrationId: string, progress: MigrationProgress): void;
  /**
   * `completed`: this host owns the instance and keeps the VMM. Otherwise the VMM is destroyed and nothing is left.
   */
  ended(migrationId: string, ending: DestinationEnding): void;
  /** The source's report, after `ended` said completed; it may never come. */
  onReport(migrationId: string, report: MigrationReport): void;
  /** For tests: waited for at each step. */
  readonly reached?: ((step: DestinationStep) => Promise<void>) | undefined;
}
