import { sourceErrors } from './errors.js';
import { handOver } from './handover.js';
import type { SourceMigration, SourceOutcome } from './migration.js';
import { prepare } from './prepare.js';
import { asDroverError } from './reason.js';
import { rollBack } from './roll-back.js';
import { sendRounds } from './rounds.js';
import { SourceRun } from './run.js';
import { switchOver } from './switchover.js';

/**
 * Moves an instance to another host. Resolves with what became of it and never rejects; whatever it answers, no thread, socket
 * or file of the migration is left at the source, and {@link SourceOutcome} says what the VMM is.
 *
 * | phase | may be cancelled | on failure |
 * | --- | --- | --- |
 * | connecting, preparing, rounds | yes | the guest goes on, the destination tears down |
 * | switchover | yes | the guest is resumed first, then the destination is told |
 * | handover, until RELINQUISHED is on disk | no | ABORTED is journaled, then as above |
 * | handover, after that | no | in doubt: stays paused and asks the destination until it knows (R4) |
 */
export async function migrateOut(migration: SourceMigration): Promise<SourceOutcome> {
  const run = new SourceRun(migration);
  run.watch();
  const { timeoutMs } = migration.settings;
  const reached = run.interruption.after(timeoutMs, () =>
    sourceErrors.error(
      'migration-timed-out',
      `The migration of ${run.label} did not reach the switchover within ${timeoutMs} ms.`,
    ),
  );
  run.progress.start();
  try {
    const prepared = await prepare(run);
    const remaining = await sendRounds(run, prepared);
    reached();
    const switched = await switchOver(run, prepared, remaining);
    return await handOver(run, prepared, switched);
  } catch (thrown) {
    return await rollBack(run, asDroverError(run, thrown));
  } finally {
    run.release();
  }
}
