export { AgentClient, type CallOptions } from './agent-client.js';
export {
  type BodyOf,
  ControlPlaneClient,
  type ControlPlaneClientOptions,
  type QueryOf,
} from './control-plane-client.js';
export { ApiError, clientErrors } from './errors.js';
export type { WatchOptions } from './event-connection.js';
export { hasEnded, type NumberedEvent, type WatchEventsOptions } from './fleet-events.js';
export { newId } from './new-id.js';
export type { Page } from './pages.js';
export type { RetryPolicy } from './retry.js';
export type { TransportOptions } from './transport.js';
