export { hostAgentErrors } from './errors.js';
export { type HostAgent, type HostAgentSurroundings, startHostAgent } from './host-agent.js';
export { type Holds, holdsIn } from './migrations/holds.js';
export { type HostAgentOptions, hostAgentOptionsSchema } from './options.js';
