/**
 * Device state out of QEMU: its own `migrate` to a unix socket, with all guest memory left out. Issued while the guest is
 * paused, it leaves QEMU in `postmigrate`, from where `cont` revives the guest and a second `migrate` works.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { migrationEnd } from '@drover/protocol';
import { vmmErrors } from '../errors.js';
import { type QmpClient, QmpErrorReply } from '../qmp/client.js';
import { enableCapabilities, queryMigrate, queryRunState } from '../qmp/commands.js';
import type { QemuTuning } from './tuning.js';

/** How long a cancelled save may take to come to rest, ms. */
const CANCEL_TIMEOUT_MS = 5_000;
/** The moment between a save's `completed` and QEMU's rest, with much to spare, ms. */
const SETTLE_TIMEOUT_MS = 5_000;
/** With the guest paused any downtime is allowed, so QEMU never waits for a better moment. Its own maximum, ms. */
const DOWNTIME_LIMIT_MS = 2_000_000;

export async function prepareSave(qmp: QmpClient, tuning: QemuTuning): Promise<void> {
  await enableCapabilities(qmp, ['x-ignore-shared', 'events']);
  await qmp.execute('migrate-set-parameters', {
    'max-bandwidth': tuning.stateBandwidth,
    'downtime-limit': DOWNTIME_LIMIT_MS,
  });
}

/** Rejects with `qemu-save-failed` or `qemu-save-cancelled`; QEMU is then at rest and the guest paused. */
export async function saveState(
  qmp: QmpClient,
  socketPath: string,
  signal: AbortSignal,
  tuning: QemuTuning,
): Promise<void> {
  if (signal.aborted) throw cancelled();
  const atRest = new AbortController();
  const end = qmp.next('end of saving device state', migrationEnd, {
    timeoutMs: tuning.saveTimeoutMs + CANCEL_TIMEOUT_MS,
    signal: atRest.signal,
  });
  end.catch(() => {});
  let timedOut = false;
  const cancel = (): void => {
    // While QEMU writes device state to a socket that nobody reads, its main loop is blocked: only closing the socket, out
    // of band, frees it. Before that socket is there, yank finds nothing and migrate_cancel does the work.
    qmp.executeOutOfBand('yank', { instances: [{ type: 'migration' }] }).catch(() => {});
    qmp.execute('migrate_cancel').catch(() => {});
  };
  const timer = setTimeout(() => {
    timedOut = true;
    cancel();
  }, tuning.saveTimeoutMs);
  signal.addEventListener('abort', cancel, { once: true });
  try {
    await qmp.execute('migrate', { uri: `unix:${socketPath}` });
    const outcome = await end;
    if (outcome === 'completed') return;
    if (signal.aborted) throw cancelled();
    const { error } = await queryMigrate(qmp);
    throw failed(timedOut ? `it took more than ${tuning.saveTimeoutMs} ms` : (error ?? outcome));
  } catch (error) {
    if (error instanceof Error && error.cause instanceof QmpErrorReply)
      throw failed(error.cause.message, error);
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
    atRest.abort();
  }
}

/**
 * Resolves when QEMU has put a save behind it. Its `completed` comes a moment before, and a second `migrate` in that moment
 * is accepted and ends in an abort of the whole process (seen with 7.2: "migration_iteration_finish: Unknown ending
 * state").
 */
export async function saveSettled(qmp: QmpClient): Promise<void> {
  const deadline = performance.now() + SETTLE_TIMEOUT_MS;
  while ((await queryRunState(qmp)) === 'finish-migrate') {
    if (performance.now() >= deadline) throw failed('an earlier save does not come to its end');
    await sleep(1);
  }
}

function cancelled(): Error {
  return vmmErrors.error('qemu-save-cancelled', 'Saving device state was cancelled; the guest stays paused.');
}

function failed(why: string, cause?: unknown): Error {
  return vmmErrors.error(
    'qemu-save-failed',
    `QEMU could not save its device state: ${why}. The guest stays paused and can be resumed.`,
    cause,
  );
}
