export { DestinationAgent, type DestinationOptions, MAX_CONTROL_CONNECTIONS } from './agent.js';
export { DEFAULT_DESTINATION_DEADLINES, type DestinationDeadlines } from './deadlines.js';
export { destinationErrors } from './errors.js';
export type {
  DestinationEnding,
  DestinationHost,
  DestinationJournal,
  DestinationStep,
  IncomingMigration,
  JournalOutcome,
  OperatorDecision,
  PrepareRequest,
} from './host.js';
export type { SessionIdentity } from './session.js';
export {
  SESSION_EVENTS,
  SESSION_STATES,
  SESSION_STEPS,
  type SessionEvent,
  type SessionState,
  step,
} from './states.js';
