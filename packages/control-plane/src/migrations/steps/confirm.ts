/**
 * Makes the VMM at the destination the instance's. The outcome is known by now; what is waited for is that the destination's agent says which
 * VMM it is. Its state is taken in as any other that an agent tells (R10).
 */
import { toErrorBody } from '@drover/types';
import { hostStates } from '../lookups.js';
import { backoffMs, type Step, type StepContext, type StepOutcome } from '../step.js';
import { prepareResult } from './prepare.js';

/** Between looks at a destination that does not answer, at most, ms. */
const LONGEST_MS = 10_000;

export const confirm: Step = async (context) => {
  const { migration, agents, database, vmms, attempts, signal } = context;
  const { destinationId, instanceId } = migration;
  if (destinationId === null) throw new Error('a migration was moved without a destination');
  const states = await database.run((db) => hostStates(db, [destinationId]));
  if (states.get(destinationId) === 'lost') return lost(context);
  try {
    const agent = await agents.agentOf(destinationId);
    if (agent === null) return lost(context);
    const views = (await agent.listVmms({ signal })).filter(({ state }) => state.instanceId === instanceId);
    await vmms.takeIn(destinationId, views);
    const { epoch } = prepareResult.parse(migration.steps.prepare.result);
    // One of an older epoch was here before the guest left it.
    const arrived = views
      .filter(({ state }) => BigInt(state.epoch) > BigInt(epoch))
      .toSorted((a, b) => (BigInt(a.state.epoch) < BigInt(b.state.epoch) ? 1 : -1))[0];
    if (arrived === undefined) return again(attempts, null);
    return switchTo(context, arrived.state.vmmId);
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return again(attempts, thrown);
  }
};

function again(attempts: number, thrown: unknown): StepOutcome {
  const inMs = Math.min(LONGEST_MS, backoffMs(attempts));
  return { kind: 'wait', inMs, again: true, change: { error: thrown === null ? null : toErrorBody(thrown) } };
}

/** It arrived on a host that is lost since: there is no VMM to switch to, and the instance is that host's loss. */
function lost({ migration }: StepContext): StepOutcome {
  return { kind: 'done', result: { vmmId: null, destinationId: migration.destinationId } };
}

/** By compare-and-set: where a newer VMM took the instance over already, it stays with that one. */
function switchTo({ migration }: StepContext, vmmId: string) {
  const { vmmId: left } = prepareResult.parse(migration.steps.prepare.result);
  return {
    kind: 'decide',
    async decide(transaction, changes) {
      const switched = await transaction
        .updateTable('instances')
        .set((eb) => ({ vmm_id: vmmId, generation: eb('generation', '+', '1') }))
        .where('id', '=', migration.instanceId)
        .where((where) => where.or([where('vmm_id', '=', left), where('vmm_id', 'is', null)]))
        .returning('id')
        .execute();
      if (switched.length > 0) changes.changed('instance', migration.instanceId);
      return { kind: 'done', result: { vmmId }, change: { error: null } };
    },
  } satisfies Awaited<ReturnType<Step>>;
}
