import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlPlaneClient } from '@drover/client';
import type { AgentChild } from './agent-child.js';

/**
 * Registers an agent, and again within the time that the control plane gives it, until `signal` aborts. Resolves once it is registered
 * for the first time. Errors: those of asking either for the first time.
 */
export async function keepRegistered(
  client: ControlPlaneClient,
  { name, url, client: agent }: AgentChild,
  signal: AbortSignal,
): Promise<void> {
  const { hostId } = await agent.getHost({ signal });
  const register = () => client.registerHost(hostId, { name, url }, { signal });
  const { heartbeatMs } = await register();
  const repeat = async () => {
    while (!signal.aborted) {
      await sleep(heartbeatMs / 2, undefined, { signal }).catch(() => undefined);
      // What one repetition misses the next one makes up for.
      if (!signal.aborted) await register().catch(() => undefined);
    }
  };
  void repeat();
}
