/** The agent API's contract without the peer protocol: what runs in a browser too. */
export { formatHostPort, type HostPort, parseHostPort } from '../address.js';
export type { Endpoint, Endpoints, PathParameter } from '../endpoint.js';
export * from '../http-error.js';
export { agentGreeting } from './greeting.js';
export { olderAgent } from './older-agent.js';
export { type AgentEndpointName, type AgentPathParameters, agentPath, routePattern } from './path.js';
export * from './v1.js';
export * from './v1-and-v2.js';
export * from './v2.js';
export * from './v2-and-v3.js';
export * from './v3.js';
export * from './v3-and-v4.js';
export * from './v4.js';
export * from './versions.js';
