import { AGENT_API_VERSIONS, type AgentApiVersion } from '@drover/protocol/agent';
import { PUBLIC_API_VERSIONS, type PublicApiVersion } from '@drover/protocol/public';

/** One of the two services that this package asks: the words for its errors, and the versions of its API that this release speaks. */
export interface Service<Version extends string> {
  /** First word of the codes of `clientErrors` that are about it. */
  readonly code: 'agent' | 'control-plane';
  /** As sentences name it. */
  readonly title: string;
  readonly api: string;
  /** Oldest first. */
  readonly versions: readonly [Version, ...Version[]];
  /** How its URL is written. */
  readonly exampleUrl: string;
}

export const agentService: Service<AgentApiVersion> = {
  code: 'agent',
  title: 'agent',
  api: 'agent API',
  versions: AGENT_API_VERSIONS,
  exampleUrl: 'http://127.0.0.1:7700',
};

export const controlPlaneService: Service<PublicApiVersion> = {
  code: 'control-plane',
  title: 'control plane',
  api: 'public API',
  versions: PUBLIC_API_VERSIONS,
  exampleUrl: 'http://127.0.0.1:7600',
};
