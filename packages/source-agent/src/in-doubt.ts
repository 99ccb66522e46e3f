/**
 * After RELINQUISHED only the destination's journal can tell who owns the instance. This asks it, on fresh connections, for
 * as long as it takes; the guest stays paused until there is an answer (R4).
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { type DroverError, type ErrorBody, toErrorBody } from '@drover/types';
import { askOutcome, reactTo } from './ask-outcome.js';
import { openControl } from './control.js';
import { DEFAULT_SOURCE_DEADLINES, type SourceDeadlines } from './deadlines.js';
import { Doubt, type TakeBackAnswer } from './doubt.js';
import { sourceErrors } from './errors.js';
import type { InDoubtMigration, InDoubtOutcome } from './migration.js';

/** What one round of asking brought. */
type Answer = 'owned' | 'aborted' | { readonly unsettled: string };

/**
 * Asks until the destination's journal settles it, an operator declares the destination lost ({@link Doubt.takeBack}), or `shutdown` aborts. Also for an
 * agent that was restarted with a relinquished instance. `completed`: DONE is journaled and the VMM destroyed; `failed`: taken back, and the guest is as
 * it says; `in-doubt`: stopped by `shutdown`, everything left as it was.
 */
export async function settleInDoubt(m: InDoubtMigration): Promise<InDoubtOutcome> {
  const deadlines = { ...DEFAULT_SOURCE_DEADLINES, ...m.deadlines };
  const [first, longest] = deadlines.queryBackoffMs;
  const doubt = m.doubt ?? new Doubt();
  try {
    let last = '';
    for (let wait = first; !m.shutdown.aborted; wait = Math.min(wait * 2, longest)) {
      // Heard before the question: what it answers then is as new as the operator's word.
      const wanted = doubt.wanted;
      let why: string;
      try {
        const answer = await askOnce(m, deadlines, doubt);
        if (answer === 'owned') return await finish(m);
        if (answer === 'aborted') return await takeBack(m, didNotTakeOver(m));
        why = answer.unsettled;
      } catch (thrown) {
        if (m.shutdown.aborted) break;
        why = thrown instanceof Error ? thrown.message : String(thrown);
      }
      last = note(m, last, why);
      doubt.answered(why);
      // Its journal may have contradicted, and then the operator has that answer.
      if (wanted !== null && doubt.wanted !== null) {
        try {
          return await takeBack(m, declaredLost(m, wanted), () => doubt.decide({ kind: 'taken-back' }));
        } catch (thrown) {
          last = note(m, last, toErrorBody(thrown).message);
        }
      }
      const slept = new AbortController();
      const sleeping = sleep(wait, undefined, { signal: AbortSignal.any([m.shutdown, slept.signal]) });
      await Promise.race([sleeping.catch(() => {}), doubt.heard()]);
      slept.abort();
    }
  } finally {
    doubt.end();
  }
  return { kind: 'in-doubt', error: doubtError(m, 'the agent stopped before the destination said so') };
}

/** The error that an undecided handover carries. */
export function doubtError(m: InDoubtMigration, why: string): ErrorBody {
  return sourceErrors
    .error(
      'outcome-unknown',
      `"${m.instance.name}" was relinquished to ${m.destination.host}:${m.destination.port} and its word is missing (${why}); the guest stays paused until the destination answers.`,
    )
    .toBody();
}

/** One note for each new reason, not one for each try. */
function note(m: InDoubtMigration, last: string, why: string): string {
  m.logger.warn({ migration: m.migrationId, why }, 'outcome of the handover still unknown');
  if (why !== last) m.onNote(`Asking the destination how the handover ended: ${why}`);
  return why;
}

async function askOnce(m: InDoubtMigration, deadlines: SourceDeadlines, doubt: Doubt): Promise<Answer> {
  const handedOver = m.epoch + 1n;
  const { channel } = await openControl(m.destination, m, deadlines, m.shutdown);
  try {
    const query = { migrationId: m.migrationId, instanceId: m.instance.id };
    const { outcome, epoch } = await askOutcome(channel, query, deadlines.queryMs, m.shutdown);
    // Before a COMMIT may go out: what follows it must not meet a taking back (R1).
    if (outcome === 'owned' || outcome === 'ready') doubt.decide(contradicted(m, outcome, epoch));
    switch (reactTo(outcome, epoch, handedOver)) {
      case 'finish':
        return 'owned';
      case 'take-back':
        return 'aborted';
      case 'commit-again':
        await channel.send('commit', { migrationId: m.migrationId, epoch: String(handedOver) });
        await channel.expect(['running'], { timeoutMs: deadlines.runningMs, signal: m.shutdown });
        return 'owned';
      case 'ask-again':
        return { unsettled: `its journal says ${outcome} at epoch ${epoch}, which settles nothing.` };
    }
  } finally {
    channel.close();
  }
}

/** The guest lives there: nothing of it may be left here. Also used after an ordinary RUNNING. */
export async function finish(m: InDoubtMigration): Promise<{ kind: 'completed'; vmmDestroyed: true }> {
  try {
    await m.journal.done();
  } catch (thrown) {
    // Harmless: after a restart the journal says RELINQUISHED, the destination is asked again, and answers the same.
    m.logger.error({ migration: m.migrationId, err: thrown }, 'DONE could not be journaled');
    m.onNote(`DONE could not be journaled: ${toErrorBody(thrown).message}`);
  }
  await m.vmm?.destroy();
  return { kind: 'completed', vmmDestroyed: true };
}

function contradicted(m: InDoubtMigration, outcome: 'owned' | 'ready', epoch: bigint): TakeBackAnswer {
  const { host, port } = m.destination;
  return {
    kind: 'contradicted',
    sentence: `The destination ${host}:${port} can be asked, and its journal says ${outcome} at epoch ${epoch}`,
  };
}

function didNotTakeOver(m: InDoubtMigration): DroverError {
  return sourceErrors.error(
    'destination-did-not-take-over',
    `The destination ${m.destination.host}:${m.destination.port} had aborted before it owned "${m.instance.name}"; it was taken back and goes on here.`,
  );
}

function declaredLost(m: InDoubtMigration, reason: string): DroverError {
  return sourceErrors.error(
    'destination-declared-lost',
    `An operator declared the destination ${m.destination.host}:${m.destination.port} lost (${reason}); "${m.instance.name}" was taken back under epoch ${m.epoch + 2n} and goes on here. Should that host come back, what it has of the instance must not run.`,
  );
}

/** Rejects, and so leaves it in doubt, while the journal cannot say that the instance is ours again. */
async function takeBack(
  m: InDoubtMigration,
  error: DroverError,
  journaled: () => void = () => {},
): Promise<InDoubtOutcome> {
  await m.journal.takeBack(m.epoch + 2n);
  journaled();
  if (m.vmm === null) return { kind: 'failed', error: error.toBody(), guest: 'gone' };
  try {
    await m.vmm.resume();
    return { kind: 'failed', error: error.toBody(), guest: 'running' };
  } catch (thrown) {
    m.logger.error({ migration: m.migrationId, err: thrown }, 'a guest that was taken back did not resume');
    const status = await m.vmm.status().catch(() => 'gone' as const);
    return { kind: 'failed', error: error.toBody(), guest: status === 'gone' ? 'gone' : 'paused' };
  }
}
