import { type AgentClient, ApiError } from '@drover/client';
import type { MigrationView } from '@drover/protocol';
import { type ErrorBody, toErrorBody } from '@drover/types';
import type { CommandContext } from '../context.js';
import type { MigrationDisplay } from '../progress/display.js';

/**
 * How following ended: with the migration, because the person at the keyboard had seen enough, or because the agent was lost; after
 * the last two the outcome is not known here.
 */
export type FollowResult =
  | { readonly kind: 'ended'; readonly migration: MigrationView }
  | { readonly kind: 'detached' }
  | { readonly kind: 'lost'; readonly error: ErrorBody };

/**
 * Shows a migration's events until it ends.
 *
 * With `cancelOnInterrupt` the first Ctrl-C asks the agent to cancel, and goes on following; the second lets go. Without it the
 * first one lets go. Letting go changes nothing for the migration. Rejects with the agent's refusals alone.
 */
export async function followMigration(
  client: AgentClient,
  migrationId: string,
  display: MigrationDisplay,
  context: CommandContext,
  options: { readonly cancelOnInterrupt: boolean },
): Promise<FollowResult> {
  const detach = new AbortController();
  let cancelAsked = !options.cancelOnInterrupt;
  const release = context.onInterrupt(() => {
    if (cancelAsked) {
      detach.abort();
      return;
    }
    cancelAsked = true;
    display.remark('Asking to cancel; Ctrl-C again stops watching.');
    client.cancelMigration(migrationId).catch((thrown: unknown) => {
      display.remark(`Not cancelled: ${toErrorBody(thrown).message}`);
    });
  });
  try {
    for await (const event of client.watchMigration(migrationId, { signal: detach.signal })) {
      display.event(event);
      if (event.kind === 'ended') return { kind: 'ended', migration: event.migration };
    }
    return { kind: 'ended', migration: await client.getMigration(migrationId) };
  } catch (thrown) {
    if (detach.signal.aborted) return { kind: 'detached' };
    if (thrown instanceof ApiError) throw thrown;
    return { kind: 'lost', error: toErrorBody(thrown) };
  } finally {
    release();
    display.close();
  }
}
