import { DroverError } from '@drover/types';
import type { SourceRun } from './run.js';

/** Why a migration failed, as one error: what interrupted it comes before what that made fail. */
export function asDroverError(run: SourceRun, thrown: unknown): DroverError {
  if (run.interruption.reason) return run.interruption.reason;
  if (thrown instanceof DroverError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const unforeseen = { status: 500, retryable: false, summary: '' };
  return new DroverError('internal', unforeseen, `The migration of ${run.label} failed: ${message}`, thrown);
}
