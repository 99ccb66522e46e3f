/** VMMs by their own id, from snapshots that nothing under way can hold up (R10). */
import type { VmmView } from '@drover/protocol';
import { hostAgentErrors } from '../errors.js';
import type { AgentParts } from '../host-agent.js';
import { vmmViewOf } from '../vmms/view.js';
import type { Handlers } from './handlers.js';

export function vmmHandlers({
  registry,
  store,
  endedVmms,
}: AgentParts): Pick<Handlers, 'listVmms' | 'getVmm' | 'acknowledgeVmm'> {
  const migrations = (id: string) => store.get(id)?.view;
  const find = (vmmId: string): VmmView | undefined => {
    const instance = registry.withVmm(vmmId);
    return instance ? vmmViewOf(instance, migrations) : endedVmms.get(vmmId);
  };
  return {
    async listVmms() {
      const here = registry.list().map((instance) => vmmViewOf(instance, migrations));
      return { items: [...here, ...endedVmms.list()] };
    },
    async getVmm({ path }) {
      const view = find(path.vmm);
      if (view) return view;
      throw hostAgentErrors.error(
        'vmm-not-found',
        `There is no VMM ${JSON.stringify(path.vmm.slice(0, 80))} on this host; list the VMMs, or ask another host.`,
      );
    },
    async acknowledgeVmm({ path, body }) {
      if (await endedVmms.acknowledge(path.vmm, BigInt(body.generation))) return { forgotten: true };
      // One that is not here any more has been acknowledged before.
      return { forgotten: find(path.vmm) === undefined };
    },
  };
}
