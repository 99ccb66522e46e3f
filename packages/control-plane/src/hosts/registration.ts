/**
 * Registrations. One that says something new goes into the database before it is answered; one that repeats what is known is a sign of life,
 * answered from memory and written with those of other hosts, once a second.
 */
import type { HostState, Registration } from '@drover/protocol';
import { controlPlaneErrors } from '../errors.js';
import type { ChangeLog } from '../events/change-log.js';
import { fromNow, now } from '../store/clock.js';
import type { Database } from '../store/database.js';
import { isUniqueViolation } from '../store/unique.js';
import type { HostDirectory, KnownHost } from './directory.js';

export interface RegistrationBody {
  readonly name: string;
  readonly url: string;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

export interface RegistrarOptions {
  readonly database: Database;
  readonly changeLog: ChangeLog;
  readonly directory: HostDirectory;
  readonly heartbeatMs: number;
  /** A host is there that was not, or elsewhere: ask it. */
  readonly registered: (hostId: string) => void;
}

export class Registrar {
  readonly #options: RegistrarOptions;
  #alive = new Set<string>();

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  /** True where this registration says nothing new. */
  isSignOfLife(id: string, body: unknown): boolean {
    const known = this.#options.directory.get(id.toLowerCase());
    return known !== undefined && known.state !== 'lost' && repeats(known, body as RegistrationBody);
  }

  /** Errors: `host-lost`, `host-name-taken`, `database-unavailable`. Resolves with true where it was more than a sign of life. */
  async register(
    id: string,
    body: RegistrationBody,
  ): Promise<{ registration: Registration; isNew: boolean }> {
    const { directory, heartbeatMs } = this.#options;
    const known = directory.get(id);
    if (known && known.state !== 'lost' && repeats(known, body)) {
      this.#alive.add(id);
      return { registration: { id, state: known.state, heartbeatMs }, isNew: false };
    }
    const state = await this.#write(id, body);
    await directory.reload([id]);
    this.#options.registered(id);
    return { registration: { id, state, heartbeatMs }, isNew: true };
  }

  /** Writes the signs of life since the last time. They are kept where that fails. */
  async flush(): Promise<void> {
    const alive = this.#alive;
    if (alive.size === 0) return;
    this.#alive = new Set();
    try {
      await this.#options.database.run((db) =>
        db
          .updateTable('host_watches')
          .set({ seen_at: now })
          .where('host_id', 'in', [...alive])
          .execute(),
      );
    } catch (thrown) {
      for (const id of alive) this.#alive.add(id);
      throw thrown;
    }
  }

  async #write(id: string, { name, url, labels }: RegistrationBody): Promise<HostState> {
    return this.#options.changeLog
      .transaction(async (transaction, changes) => {
        const taken = await transaction
          .selectFrom('hosts')
          .select('id')
          .where('name', '=', name)
          .where('id', '!=', id)
          .executeTakeFirst();
        if (taken) throw nameTaken(name, taken.id);
        const there = await transaction
          .selectFrom('hosts')
          .selectAll()
          .where('id', '=', id)
          .executeTakeFirst();
        if (there?.state === 'lost') {
          throw controlPlaneErrors.error(
            'host-lost',
            `Host ${there.name} was declared lost (${there.reason ?? 'no reason given'}) and is not taken back; wipe it and register it under a new id, or forget it first.`,
          );
        }
        const state = (there?.state ?? 'active') as HostState;
        const kept = there !== undefined && (there.labels_by === 'operator' || labels === undefined);
        const row = {
          name,
          url,
          labels: JSON.stringify(kept ? there.labels : (labels ?? {})),
        };
        const inserted = await transaction
          .insertInto('hosts')
          .values({
            id,
            ...row,
            state,
            state_since: now,
            desired: 'active',
            description: null,
            cpus: null,
            memory_bytes: null,
            registered_at: new Date(),
            reason: null,
          })
          .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
          .returning('id')
          .execute();
        await transaction
          .insertInto('host_watches')
          .values({ host_id: id, due_at: now, seen_at: now, listed_at: null })
          .onConflict((conflict) =>
            conflict.column('host_id').doUpdateSet({ seen_at: now, due_at: fromNow(0) }),
          )
          .execute();
        if (inserted.length > 0) changes.changed('host', id);
        return state;
      })
      .catch((thrown: unknown) => {
        throw isUniqueViolation(thrown) ? nameTaken(name, 'another') : thrown;
      });
  }
}

function repeats(known: KnownHost, { name, url, labels }: RegistrationBody): boolean {
  if (known.name !== name || known.url !== url) return false;
  return labels === undefined || known.labelsBy === 'operator' || sameLabels(known.labels, labels);
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function nameTaken(name: string, by: string): Error {
  return controlPlaneErrors.error(
    'host-name-taken',
    `Host ${by} is registered under the name ${name}; give this one another name, or forget the other where it is gone.`,
  );
}
