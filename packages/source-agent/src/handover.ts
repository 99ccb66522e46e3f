import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlChannel } from '@drover/protocol';
import { toErrorBody } from '@drover/types';
import { sourceErrors } from './errors.js';
import { doubtError, finish, settleInDoubt } from './in-doubt.js';
import type { SourceOutcome } from './migration.js';
import type { Prepared } from './prepare.js';
import { type HandedOver, makeReport } from './report.js';
import { type SourceRun, text } from './run.js';
import type { SwitchedOver } from './switchover.js';

/**
 * How long the source keeps still once the guest runs at the destination, ms. Giving back a guest's memory is work in the kernel that
 * no priority tames, and where both VMMs share a host it would take the processor that the guest needs most in its first moments.
 */
const FIRST_MOMENTS_MS = 100;

/**
 * Phase handover. The order is what keeps a guest from running twice (R1, R4): RELINQUISHED is on disk before COMMIT is sent,
 * and after it nothing resumes the guest here but the destination's own journal saying ABORTED. Throws only before
 * RELINQUISHED is known to be on disk; then COMMIT was never sent.
 */
export async function handOver(
  run: SourceRun,
  prepared: Prepared,
  switched: SwitchedOver,
): Promise<SourceOutcome> {
  const { channel } = prepared;
  const { migration: m, deadlines, progress } = run;
  progress.enter('handover');
  await m.reached?.('ready-received');
  run.interruption.throwIfInterrupted();
  // A cancel that comes from here on comes too late, and must not tear down what the handover needs.
  run.interruption.close();

  const epoch = m.epoch + 1n;
  run.relinquishing = true;
  try {
    await m.journal.relinquish(epoch);
  } catch (cause) {
    throw sourceErrors.error(
      'source-journal-failed',
      `"${m.instance.name}" was not handed over because RELINQUISHED could not be journaled: ${text(cause)}`,
      cause,
    );
  }

  await m.reached?.('relinquished');
  const handed = await commit(run, channel, epoch);
  run.settle();
  if (handed === null) {
    const settled = await settleInDoubt(m);
    if (settled.kind !== 'completed') return settled;
    return completed(run, prepared, switched, { runningAt: performance.now(), resumeMs: 0 });
  }
  await m.reached?.('running-received');
  const outcome = completed(run, prepared, switched, handed);
  await sleep(FIRST_MOMENTS_MS, undefined, { signal: m.shutdown }).catch(() => {});
  await prepared.sendReport(outcome.report).catch((thrown: unknown) => {
    run.log.warn({ err: thrown }, 'the destination did not take the report');
  });
  await finish(m);
  return outcome;

  /** RUNNING, or null when it did not come. */
  async function commit(run: SourceRun, channel: ControlChannel, epoch: bigint): Promise<HandedOver | null> {
    try {
      await channel.send('commit', { migrationId: m.migrationId, epoch: String(epoch) });
      // The guest waits for the destination alone, and where both share a host RUNNING would take the processor from it.
      run.settle();
      await m.reached?.('commit-sent');
      const { message } = await channel.expect(['running'], {
        timeoutMs: deadlines.runningMs,
        signal: m.shutdown,
      });
      return { runningAt: performance.now(), resumeMs: message.resumeMs };
    } catch (thrown) {
      run.log.warn({ err: thrown }, 'no RUNNING after COMMIT; asking the destination');
      channel.close();
      m.onInDoubt(doubtError(m, toErrorBody(thrown).message));
      return null;
    }
  }
}

function completed(
  run: SourceRun,
  prepared: Prepared,
  switched: SwitchedOver,
  handed: HandedOver,
): Extract<SourceOutcome, { kind: 'completed' }> {
  run.progress.enter('done');
  return { kind: 'completed', report: makeReport(run, prepared, switched, handed), vmmDestroyed: true };
}
