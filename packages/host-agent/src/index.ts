export { hostAgentErrors } from './errors.js';
export { type HostAgent, type HostAgentSurroundings, startHostAgent } from './host-agent.js';
export { type HostAgentOptions, hostAgentOptionsSchema } from './options.js';
