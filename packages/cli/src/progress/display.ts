import type { MigrationEvent, MigrationView } from '@drover/protocol';
import type { ErrorBody } from '@drover/types';

/** What a display knows from the start. */
export interface MigrationTitle {
  readonly instance: string;
  /** Where to, as a person named it. */
  readonly destination: string;
  /** Budget for the downtime, ms; null where it is not known here. */
  readonly maxDowntimeMs: number | null;
}

/** Shows the events of one migration as they come. There are three: a terminal's, a log's, a program's. */
export interface MigrationDisplay {
  event(event: MigrationEvent): void;
  /** A remark that is not the agent's, such as "asking to cancel". */
  remark(text: string): void;
  /** The outcome, once. */
  end(migration: MigrationView): void;
  /** The agent cannot be asked any more; what becomes of the migration is not known here. */
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
