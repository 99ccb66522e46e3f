/** The agent API's contract without the peer protocol: what runs in a browser too. */
export { formatHostPort, type HostPort, parseHostPort } from '../address.js';
export * from './contract.js';
export { type AgentEndpointName, type AgentPathParameters, agentPath, routePattern } from './path.js';
