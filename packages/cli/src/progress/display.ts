import type { FleetMigration, MigrationEvent, MigrationView } from '@drover/protocol';
import type { ErrorBody } from '@drover/types';

/** What a display knows from the start. */
export interface MigrationTitle {
  readonly instance: string;
  /** Where to, as a person named it. */
  readonly destination: string;
  /** Budget for the downtime, ms; null where it is not known here. */
  readonly maxDowntimeMs: number | null;
}

/** What an agent tells of a migration, or the migration as a control plane has it each time that it is another. */
export type ShownEvent = MigrationEvent | { readonly kind: 'migration'; readonly migration: FleetMigration };

/** How a migration stands, whoever was asked. */
export interface MigrationOutcome {
  readonly instanceName: string;
  /** Where to. */
  readonly peer: string;
  readonly state: MigrationView['state'] | 'waiting';
  /** Null before an agent has it. */
  readonly phase: MigrationView['phase'] | null;
  readonly report: MigrationView['report'];
  readonly error: MigrationView['error'];
}

/** Shows the events of one migration as they come. There are three: a terminal's, a log's, a program's. */
export interface MigrationDisplay {
  event(event: ShownEvent): void;
  /** A remark that is not the agent's, such as "asking to cancel". */
  remark(text: string): void;
  /** The outcome, once. `document`: the migration as it came. */
  end(outcome: MigrationOutcome, document: unknown): void;
  /** Nobody can be asked any more; what becomes of the migration is not known here. */
  lost(error: ErrorBody): void;
  /** Leaves the terminal as it was. Safe to call twice. */
  close(): void;
}

/** Time as the displays need it; a test hands in its own. */
export interface DisplayClock {
  /** ms; only differences count. */
  now(): number;
  /** Calls `tick` every `ms` until the returned function is called. */
  every(ms: number, tick: () => void): () => void;
}

export const realClock: DisplayClock = {
  now: () => performance.now(),
  every(ms, tick) {
    const timer = setInterval(tick, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};
