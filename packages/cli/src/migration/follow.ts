import { ApiError } from '@drover/client';
import { type ErrorBody, toErrorBody } from '@drover/types';
import type { CommandContext } from '../context.js';
import type { MigrationDisplay } from '../progress/display.js';

/** A migration that can be followed, wherever it is asked for. */
export interface Followed<Migration> {
  /** Shows what comes, and resolves with the migration as it ended. Rejects when `signal` aborts. */
  watch(signal: AbortSignal): Promise<Migration>;
  cancel(): Promise<unknown>;
}

/**
 * How following ended: with the migration, because the person at the keyboard had seen enough, or because whoever was asked was lost;
 * after the last two the outcome is not known here.
 */
export type FollowResult<Migration> =
  | { readonly kind: 'ended'; readonly migration: Migration }
  | { readonly kind: 'detached' }
  | { readonly kind: 'lost'; readonly error: ErrorBody };

/**
 * Follows a migration until it ends.
 *
 * With `cancelOnInterrupt` the first Ctrl-C asks to cancel, and goes on following; the second lets go. Without it the first one lets
 * go. Letting go changes nothing for the migration. Rejects with refusals alone.
 */
export async function followMigration<Migration>(
  followed: Followed<Migration>,
  display: Pick<MigrationDisplay, 'remark' | 'close'>,
  context: CommandContext,
  options: { readonly cancelOnInterrupt: boolean },
): Promise<FollowResult<Migration>> {
  const detach = new AbortController();
  let cancelAsked = !options.cancelOnInterrupt;
  const release = context.onInterrupt(() => {
    if (cancelAsked) {
      detach.abort();
      return;
    }
    cancelAsked = true;
    display.remark('Asking to cancel; Ctrl-C again stops watching.');
    followed.cancel().catch((thrown: unknown) => {
      display.remark(`Not cancelled: ${toErrorBody(thrown).message}`);
    });
  });
  try {
    return { kind: 'ended', migration: await followed.watch(detach.signal) };
  } catch (thrown) {
    if (detach.signal.aborted) return { kind: 'detached' };
    if (thrown instanceof ApiError) throw thrown;
    return { kind: 'lost', error: toErrorBody(thrown) };
  } finally {
    release();
    display.close();
  }
}
