import { ApiError } from '@drover/client';
import { DroverError, type MigrationState, typesErrors } from '@drover/types';
import { CommanderError } from 'commander';

/**
 * | code | meaning |
 * | --- | --- |
 * | 0 | done |
 * | 1 | failed |
 * | 2 | usage or bad input; nothing was asked of anyone |
 * | 3 | refused: by the control plane or an agent, by the destination of a migration; or `drover compat`, `preflight` or `fleet plan` found that it would be |
 * | 4 | cancelled |
 * | 5 | in doubt: the outcome is not known, or this command stopped watching before it was |
 */
export const ExitCode = { ok: 0, failed: 1, usage: 2, refused: 3, cancelled: 4, inDoubt: 5 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** The exit code of something that was thrown. */
export function exitCodeOf(thrown: unknown): ExitCode {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  if (thrown instanceof ApiError) {
    return thrown.status >= 400 && thrown.status < 500 ? ExitCode.refused : ExitCode.failed;
  }
  if (thrown instanceof DroverError) {
    if (thrown.code === 'cli-wait-ended') return ExitCode.inDoubt;
    // An error of this process with status 400, or of a document, is about what was typed or a file that was named.
    const aboutInput = thrown.status === 400 || thrown.code in typesErrors.definitions;
    return aboutInput ? ExitCode.usage : ExitCode.failed;
  }
  return ExitCode.failed;
}

/** The exit code of a migration that has ended. `refused`: it failed because the destination said no. */
export function exitCodeOfMigration(state: MigrationState | 'waiting', refused: boolean): ExitCode {
  switch (state) {
    case 'completed':
      return ExitCode.ok;
    case 'cancelled':
      return ExitCode.cancelled;
    case 'failed':
      return refused ? ExitCode.refused : ExitCode.failed;
    case 'in-doubt':
    case 'running':
    case 'waiting':
      return ExitCode.inDoubt;
  }
}
