import { type BulkSender, type DirtyBitmap, native, type RoundResult } from '@drover/native';
import type { RoundReport } from '@drover/types';
import type { DirtyTracker } from '@drover/vmm';
import { measuredBandwidth } from './bandwidth.js';
import { decide, type History, NO_HISTORY } from './decide.js';
import { sourceErrors } from './errors.js';
import type { Prepared } from './prepare.js';
import type { SourceRun } from './run.js';

/**
 * Downtime that does not depend on the pages, before anything was measured, ms: a pause takes about a millisecond; saving,
 * carrying and loading QEMU's device state and the handover about ten.
 */
const ASSUMED_PAUSE_MS = 1;
const ASSUMED_STATE_MS = 10;

/** What the rounds leave to the switchover. */
export interface Remaining {
  /** Pages known dirty and not sent. */
  readonly dirty: DirtyBitmap;
  readonly torn: DirtyBitmap;
  readonly nextRound: number;
  /** When the pause began, where a quiesced collection left the guest paused; null while it runs. */
  readonly pausedAt: number | null;
  /** Length of that pause call, ms. */
  readonly pauseMs: number;
}

/**
 * Phase rounds: everything, then what was dirtied meanwhile, until the switchover is worth it. Throws the reason for giving
 * up, `tracker-failed` or `bulk-failed`. The guest runs whenever this throws, unless resuming it failed.
 */
export async function sendRounds(run: SourceRun, { channel, sender, tracker }: Prepared): Promise<Remaining> {
  const { migration: m, interruption, progress } = run;
  const dirty = native().createBitmap(m.vmm.memory);
  const torn = native().createBitmap(m.vmm.memory);
  progress.enter('rounds');

  let history: History = NO_HISTORY;
  let quiescedMs = 0;
  let trackedSince = performance.now();
  await sendRound(run, sender, 0, null, torn, 0);
  for (let round = 1; ; round++) {
    const tornPages = torn.count();
    dirty.clear();
    dirty.merge(torn);
    torn.clear();
    const pausedAt = tracker.needsQuiescedRounds ? performance.now() : null;
    const pauseMs = pausedAt === null ? 0 : await run.pauseGuest();
    const collectedMs = await collect(run, tracker, dirty);
    interruption.throwIfInterrupted();

    const now = performance.now();
    const dirtyPages = dirty.count();
    progress.estimates.dirtyPagesPerSecond = Math.round(
      ((dirtyPages - tornPages) * 1000) / Math.max(1, now - trackedSince),
    );
    trackedSince = now;
    const decision = decide(
      {
        roundsDone: round,
        elapsedMs: progress.elapsedMs,
        dirtyPages,
        bandwidthBytesPerSecond: measuredBandwidth(run.rounds),
        fixedMs: (pausedAt === null ? ASSUMED_PAUSE_MS : pauseMs) + collectedMs + ASSUMED_STATE_MS,
      },
      m.settings,
      history,
    );
    progress.estimates.expectedDowntimeMs = Number.isFinite(decision.expectedMs) ? decision.expectedMs : null;
    await channel.send('roundDone', {
      round: round - 1,
      wireBytes: String(progress.counter('wireBytes')),
      pagesRemaining: String(dirtyPages),
    });

    if (decision.kind === 'give-up') {
      throw sourceErrors.error(
        decision.code,
        `The migration of ${run.label} was given up: ${decision.reason}.`,
      );
    }
    if (decision.kind === 'switch-over') {
      run.log.info({ reason: decision.reason }, 'switching over');
      return { dirty, torn, nextRound: round, pausedAt, pauseMs };
    }
    history = decision.history;
    if (pausedAt !== null) {
      await run.resumeGuest();
      quiescedMs = performance.now() - pausedAt;
    }
    await sendRound(run, sender, round, dirty, torn, quiescedMs);
  }
}

/** Adds what was written to `into`; ms it took. Throws `tracker-failed` unless the set is complete (R5). */
export async function collect(run: SourceRun, tracker: DirtyTracker, into: DirtyBitmap): Promise<number> {
  const startedAt = performance.now();
  const { complete, error } = await tracker.collect(into);
  if (!complete) {
    throw sourceErrors.error(
      'tracker-failed',
      `The set of dirty pages of ${run.label} cannot be trusted: ${error ?? 'no reason given'}`,
    );
  }
  return performance.now() - startedAt;
}

/** Sends one round and notes what it did. `pages` null means everything with data. */
export async function sendRound(
  run: SourceRun,
  sender: BulkSender,
  round: number,
  pages: DirtyBitmap | null,
  torn: DirtyBitmap,
  quiescedMs: number,
): Promise<RoundReport> {
  const known = pages === null ? run.migration.vmm.memory.dataPages() : pages.count();
  const result: RoundResult = await run.bulk(sender.sendRound(round, pages, torn));
  const report: RoundReport = {
    round,
    durationMs: result.durationMicros / 1000,
    pages: known,
    dataPages: result.dataPages,
    zeroPages: result.zeroPages,
    tornPages: result.tornPages,
    wireBytes: result.wireBytes,
    quiescedMs,
  };
  run.rounds.push(report);
  return report;
}
