/** A VMM as the API shows it: from what is on disk of its instance, and of the migration that it is part of. */
import type { MigrationView, VmmView } from '@drover/protocol';
import type { Instance } from '../instances/instance.js';

/** What the view needs of the migrations. */
export type MigrationStates = (migrationId: string) => Pick<MigrationView, 'state'> | undefined;

export function vmmViewOf(instance: Instance, migrations: MigrationStates): VmmView {
  const part = instance.published.migration;
  const state = part && migrations(part.id)?.state;
  return {
    state: instance.view().state,
    instanceName: instance.name,
    migration: part && state ? { ...part, state } : null,
    ended: null,
  };
}

/** The last state of a VMM that is no more: one generation on, so that it replaces every earlier one (R10). */
export function endedView(instance: Instance, reason: NonNullable<VmmView['ended']>['reason']): VmmView {
  const { state } = instance.view();
  return {
    state: {
      ...state,
      generation: String(instance.snapshot.generation + 1n),
      life: reason === 'moved' ? 'moved' : 'stopped',
      pid: null,
      error: reason === 'moved' ? null : state.error,
    },
    instanceName: instance.name,
    migration: null,
    ended: { reason, at: new Date().toISOString() },
  };
}
