import type { DroverError } from '@drover/types';
import { destinationErrors } from './errors.js';
import type { Session } from './session.js';

/** Migrations that are over and still answer; the journal answers for older ones. */
const KEPT = 256;

/** The migrations at this host: at most one of an instance at a time. */
export class Sessions {
  readonly #byMigration = new Map<string, Session>();
  #stopped: DroverError | null = null;

  /** Throws `migration-exists`, also for one that is over, so that an id is never used twice; and the reason after {@link stop}. */
  add(session: Session): void {
    if (this.#stopped) throw this.#stopped;
    const { migrationId, instanceId } = session.identity;
    if (this.#byMigration.has(migrationId)) {
      throw destinationErrors.error('migration-exists', `The migration ${migrationId} is already here.`);
    }
    for (const other of this.#byMigration.values()) {
      if (other.identity.instanceId === instanceId && !isOver(other)) {
        throw destinationErrors.error(
          'migration-exists',
          `The instance ${instanceId} is already coming here in the migration ${other.identity.migrationId}, which is ${other.state}.`,
        );
      }
    }
    this.#forgetOldest();
    this.#byMigration.set(migrationId, session);
  }

  find(migrationId: string): Session | null {
    return this.#byMigration.get(migrationId) ?? null;
  }

  /** Ends those that are not READY, and waits for what is being journaled in the others. */
  async stop(reason: DroverError): Promise<void> {
    this.#stopped = reason;
    await Promise.allSettled(
      [...this.#byMigration.values()]
        .filter((session) => session.state !== 'ready' && session.state !== 'aborted')
        .map((session) => session.stop(reason)),
    );
  }

  #forgetOldest(): void {
    for (const [id, session] of this.#byMigration) {
      if (this.#byMigration.size < KEPT) return;
      if (isOver(session)) this.#byMigration.delete(id);
    }
  }
}

/** What a request for a migration that nobody here knows is refused with. */
export function notHere(migrationId: string): DroverError {
  return destinationErrors.error(
    'migration-not-here',
    `No migration ${migrationId} is waiting here; ask for its outcome.`,
  );
}

function isOver({ state }: Session): boolean {
  return state === 'owned' || state === 'aborted';
}
