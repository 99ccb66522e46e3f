import { setTimeout as sleep } from 'node:timers/promises';
import { type DroverError, type ErrorBody, withDeadline } from '@drover/types';
import { abortDestination } from './abort-destination.js';
import { sourceErrors } from './errors.js';
import { doubtError } from './in-doubt.js';
import type { GuestLeft, SourceOutcome } from './migration.js';
import type { SourceRun } from './run.js';

/** Wait between two tries to resume, ms: a VMM may need a moment to end the save that was broken off. */
const RESUME_RETRY_MS = 20;
/** Longest wait for a broken-off save before the first try, ms. */
const SAVE_ENDS_MS = 800;
/** Errors that only say that a connection went: what the destination said before it went says more. */
const LOST_CONNECTION = new Set(['bulk-failed', 'peer-closed']);
/** Errors that the end of the VMM brings about, and that may be noticed before it. */
const LOST_VMM = new Set(['tracker-failed', 'pause-failed', 'state-save-failed']);

/**
 * Undoes a migration that failed before COMMIT was sent: the guest goes on first, everything else comes after. Where
 * RELINQUISHED may be on disk, ABORTED must be on it before the guest runs, or a restarted agent would read that the instance
 * had been given up (R4).
 */
export async function rollBack(run: SourceRun, error: DroverError): Promise<SourceOutcome> {
  const { migration: m } = run;
  run.log.warn({ err: error }, 'the migration failed before the handover');
  run.interruption.interrupt(error);
  run.sender?.cancel();
  if (run.relinquishing && !(await journalAborted(run))) {
    await tellDestination(run, error);
    const body = doubtError(m, 'the journal could be written neither way');
    m.onInDoubt(body);
    return { kind: 'in-doubt', error: body };
  }

  const guest = run.pausedByUs ? await goOn(run) : await guestLeft(run);
  run.tracker?.stop();
  const said = await tellDestination(run, error);
  // Harmless when it fails: without RELINQUISHED on disk the instance is ours, whatever else the journal says.
  if (!run.relinquishing) await journalAborted(run);
  return {
    kind: error.code === 'migration-cancelled' ? 'cancelled' : 'failed',
    error: rootCause(run, error, guest, said),
    guest,
  };
}

function rootCause(run: SourceRun, error: DroverError, guest: GuestLeft, said: ErrorBody | null): ErrorBody {
  if (said && LOST_CONNECTION.has(error.code)) return said;
  if (guest === 'gone' && LOST_VMM.has(error.code)) {
    const { name } = run.migration.instance;
    return sourceErrors
      .error('guest-ended', `The VMM of "${name}" ended while it was being moved: ${error.message}`)
      .toBody();
  }
  return error.toBody();
}

async function journalAborted(run: SourceRun): Promise<boolean> {
  try {
    await run.migration.journal.aborted();
    return true;
  } catch (thrown) {
    run.log.error({ err: thrown }, 'ABORTED could not be journaled');
    return false;
  }
}

/** Resumes the guest that we paused. */
async function goOn(run: SourceRun): Promise<GuestLeft> {
  if (run.saving) await withDeadline(run.saving, SAVE_ENDS_MS, () => new Error('late')).catch(() => {});
  const until = performance.now() + run.deadlines.resumeMs;
  for (;;) {
    try {
      await run.resumeGuest();
      return 'running';
    } catch (thrown) {
      const left = await guestLeft(run);
      if (left === 'gone' || performance.now() >= until) {
        run.log.error({ err: thrown, guest: left }, 'the guest did not resume');
        return left;
      }
      await sleep(RESUME_RETRY_MS);
    }
  }
}

/** What there is of the guest now. */
async function guestLeft(run: SourceRun): Promise<GuestLeft> {
  const status = await run.migration.vmm.status().catch(() => 'gone' as const);
  return status === 'running' || status === 'gone' ? status : 'paused';
}

/** Answers with what the destination had said by itself, if anything. */
async function tellDestination(run: SourceRun, error: DroverError): Promise<ErrorBody | null> {
  const { migration: m, deadlines } = run;
  if (!run.prepareSent) return null;
  const { confirmed, refusal } = await abortDestination(
    {
      migrationId: m.migrationId,
      destination: m.destination,
      release: m.release,
      hostName: m.hostName,
      peerVersions: m.peerVersions,
      channel: m.channel,
      logger: m.logger,
      signal: m.shutdown,
      deadlines,
    },
    error.toBody(),
    run.channel,
    run.switchoverSent ? deadlines.abortReadyMs : 0,
  );
  if (!confirmed) {
    const rest = run.switchoverSent ? '; it may hold a paused copy until it is told' : '';
    m.onNote(`The destination ${m.destination.host}:${m.destination.port} did not confirm the abort${rest}.`);
  }
  return refusal;
}
