/**
 * Makes sure that both agents are there and still fit together, and fixes what the move needs: which VMM leaves, and where the
 * destination's peers connect. Changes nothing anywhere.
 */
import { toErrorBody } from '@drover/types';
import { z } from 'zod';
import { controlPlaneErrors } from '../../errors.js';
import { compareGuest } from '../../preflight/compare-guest.js';
import { refusalOf } from '../../preflight/finding.js';
import { instanceSpec } from '../lookups.js';
import { backoffMs, type Step } from '../step.js';

export const prepareResult = z.object({
  peer: z.object({ host: z.string(), port: z.number() }),
  /** The VMM that leaves. */
  vmmId: z.string(),
  /** Decimal; the epoch that it holds. */
  epoch: z.string(),
});

/** Tries while an agent does not answer. */
const TRIES = 5;

export const prepare: Step = async ({ migration, agents, database, attempts, signal }) => {
  const { sourceId, destinationId, instanceId } = migration;
  const [source, destination] = [
    await agents.agentOf(sourceId),
    destinationId === null ? null : await agents.agentOf(destinationId),
  ];
  if (source === null || destination === null) {
    return { kind: 'failed', error: hostForgotten(source === null ? sourceId : destinationId) };
  }
  try {
    const [from, to, vmms] = await Promise.all([
      source.getHost({ signal }),
      destination.getHost({ signal }),
      source.listVmms({ signal }),
    ]);
    const vmm = vmms.find(({ state, ended }) => state.instanceId === instanceId && ended === null);
    if (vmm === undefined) {
      return {
        kind: 'failed',
        error: {
          code: 'instance-not-running',
          message: `Host ${from.name} has no VMM of the instance any more; look where it is, and ask again.`,
          retryable: false,
        },
      };
    }
    const spec = await database.run((db) => instanceSpec(db, instanceId));
    const refused = spec && refusalOf(compareGuest({ spec, vmm: vmm.state, source: from, destination: to }));
    if (refused) return { kind: 'failed', error: refused };
    const result: z.output<typeof prepareResult> = {
      peer: to.peer,
      vmmId: vmm.state.vmmId,
      epoch: vmm.state.epoch,
    };
    return { kind: 'done', result };
  } catch (thrown) {
    const error = toErrorBody(thrown);
    if (!error.retryable || attempts >= TRIES) return { kind: 'failed', error };
    return { kind: 'wait', inMs: backoffMs(attempts), again: true, change: { error } };
  }
};

function hostForgotten(id: string | null) {
  return controlPlaneErrors
    .error('host-takes-no-guests', `Host ${id ?? '(none)'} is no longer in the fleet; choose another.`)
    .toBody();
}
