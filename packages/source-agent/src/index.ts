export { type AbortAnswer, type AbortRequest, abortDestination } from './abort-destination.js';
export { DEFAULT_SOURCE_DEADLINES, type SourceDeadlines } from './deadlines.js';
export { type Decision, decide, type History, type Measurement, NO_HISTORY, type Policy } from './decide.js';
export { Doubt, type TakeBackAnswer } from './doubt.js';
export { sourceErrors } from './errors.js';
export { settleInDoubt } from './in-doubt.js';
export { migrateOut } from './migrate-out.js';
export type {
  GuestLeft,
  InDoubtMigration,
  InDoubtOutcome,
  PeerAddress,
  SourceJournal,
  SourceMigration,
  SourceOutcome,
  SourceStep,
} from './migration.js';
export { findObstacles } from './obstacles.js';
export { type OutcomeRequest, queryOutcome } from './query-outcome.js';
