/** What a step of a migration gets, and what it may come to. The engine records the answer; see `saga.ts`. */
import type { FleetMigration } from '@drover/protocol';
import type { ErrorBody, MigrationPhase, MigrationProgress, MigrationReport } from '@drover/types';
import type { Transaction } from 'kysely';
import type { Logger } from 'pino';
import type { Changes } from '../events/change-log.js';
import type { PlacementOptions } from '../placement/read-fleet.js';
import type { Preflights } from '../preflight/preflights.js';
import type { Database } from '../store/database.js';
import type { Schema } from '../store/schema.js';
import type { AgentDirectory } from './agents.js';
import type { MigrationOptions } from './options.js';
import type { MigrationRecord } from './records.js';
import type { VmmRecords } from './vmm-records.js';

/** What of the migration's row changes with it. */
export interface MigrationChange {
  readonly state?: FleetMigration['state'];
  readonly destinationId?: string;
  readonly bandwidth?: number | null;
  readonly phase?: MigrationPhase | null;
  readonly progress?: MigrationProgress | null;
  readonly report?: MigrationReport | null;
  readonly error?: ErrorBody | null;
}

export type StepOutcome =
  | { readonly kind: 'done'; readonly result: unknown; readonly change?: MigrationChange }
  /** To be looked at again; what has been found out is kept for that. */
  | {
      readonly kind: 'wait';
      readonly inMs: number;
      readonly result?: unknown;
      readonly change?: MigrationChange;
      /** This try came to nothing; the next one counts as another. */
      readonly again?: boolean;
    }
  | { readonly kind: 'failed'; readonly error: ErrorBody; readonly change?: MigrationChange };

/** What is decided and written in the transaction that records the outcome: it happens once, or not at all. May be called again from its beginning. */
export interface Decision {
  readonly kind: 'decide';
  readonly decide: (transaction: Transaction<Schema>, changes: Changes) => Promise<StepOutcome>;
}

export interface StepContext {
  readonly migration: MigrationRecord;
  /** What an earlier look recorded; null on the first. */
  readonly result: unknown;
  /** Tries so far, this one among them. */
  readonly attempts: number;
  readonly database: Database;
  readonly agents: AgentDirectory;
  readonly preflights: Preflights;
  readonly vmms: VmmRecords;
  readonly options: MigrationOptions;
  readonly placement: PlacementOptions;
  /** Migrations that this replica advances now: with many, each is looked at less often. */
  readonly load: () => number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /**
   * Records something before what follows is done, so that whoever takes over knows of it. Errors: `saga-claim-lost`; what follows must then
   * not be done.
   */
  readonly keep: (result: unknown) => Promise<void>;
}

export type Step = (context: StepContext) => Promise<StepOutcome | Decision>;

/** Wait before the next try, ms, doubled with each up to half a minute, with jitter. */
export function backoffMs(attempts: number): number {
  return Math.min(30_000, 500 * 2 ** Math.min(attempts - 1, 10)) * (0.5 + Math.random() / 2);
}
