export { AgentClient, type CallOptions } from './agent-client.js';
export { ApiError, clientErrors } from './errors.js';
export type { WatchOptions } from './event-connection.js';
export type { TransportOptions } from './transport.js';
