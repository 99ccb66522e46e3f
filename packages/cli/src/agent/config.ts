import { type ConfigSources, loadConfig } from '../configuration/load.js';
import { controlPlaneConfigKeys } from '../control-plane/config-schema.js';
import { type AgentConfig, agentConfigSchema } from './config-schema.js';

/** The configuration of an agent. Errors: `cli-file-unreadable`, `cli-config-invalid`. */
export function loadAgentConfig(sources: ConfigSources): Promise<AgentConfig> {
  return loadConfig(agentConfigSchema, controlPlaneConfigKeys, sources);
}
