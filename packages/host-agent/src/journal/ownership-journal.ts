/**
 * The ownership journal: every step of {@link import('./states.js')} is on disk before anybody acts on it (R4).
 *
 * State is the last entry of each migration and role. Ended migrations stay, for a source may ask for an outcome long
 * after; a file past {@link COMPACT_BYTES} is rewritten at opening with one line for each.
 */
import type { z } from 'zod';
import { hostAgentErrors } from '../errors.js';
import { damaged, JournalFile } from './journal-file.js';
import { journalEntry, journalHeader, toDocument } from './record.js';
import { isFinished, type OwnershipEntry, type Role, spendsEpoch, step } from './states.js';

const COMPACT_BYTES = 1 << 20;

interface State {
  /** By role and migration, oldest first. */
  readonly entries: Map<string, OwnershipEntry>;
  /** Highest epoch known to be spent, by instance. */
  readonly epochs: Map<string, bigint>;
  nextSequence: number;
}

export class OwnershipJournal {
  readonly wasTorn: boolean;
  readonly #file: JournalFile;
  readonly #state: State;
  #queue: Promise<void> = Promise.resolve();

  private constructor(file: JournalFile, state: State, wasTorn: boolean) {
    this.#file = file;
    this.#state = state;
    this.wasTorn = wasTorn;
  }

  /** Errors: `journal-damaged`, `journal-write-failed`. */
  static async open(path: string, options: { compactBytes?: number } = {}): Promise<OwnershipJournal> {
    const file = await JournalFile.open(path, header(1));
    try {
      const state = replay(path, file.documents);
      if (file.length <= (options.compactBytes ?? COMPACT_BYTES)) {
        return new OwnershipJournal(file, state, file.wasTorn);
      }
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
    await file.close();
    return OwnershipJournal.#compacted(path, file);
  }

  static async #compacted(path: string, old: JournalFile): Promise<OwnershipJournal> {
    const { entries, nextSequence } = replay(path, old.documents);
    const at = new Date().toISOString();
    const kept = [...entries.values()];
    await JournalFile.replace(path, [
      header(nextSequence),
      ...kept.map((entry, index) => toDocument(entry, nextSequence + index, at, true)),
    ]);
    const file = await JournalFile.open(path, header(1));
    try {
      return new OwnershipJournal(file, replay(path, file.documents), old.wasTorn);
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }

  /** Resolves once the step is synced. Errors: `journal-step-refused` (nothing written), `journal-write-failed`. */
  write(wanted: OwnershipEntry): Promise<void> {
    // One at a time: a COMMIT and an ABORT that arrive together must not both be judged by the state before either.
    const written = this.#queue.then(() => this.#write(wanted));
    this.#queue = written.catch(() => undefined);
    return written;
  }

  async #write(wanted: OwnershipEntry): Promise<void> {
    const current = this.find(wanted.role, wanted.migrationId);
    const outcome = step(current, wanted, this.knownEpoch(wanted.instanceId));
    if (outcome.kind === 'already') return;
    if (outcome.kind === 'refused') {
      throw hostAgentErrors.error(
        'journal-step-refused',
        `Migration ${wanted.migrationId} of instance ${wanted.instanceId} cannot go on: ${outcome.reason}.`,
      );
    }
    const sequence = this.#state.nextSequence;
    this.#state.nextSequence += 1;
    await this.#file.append(toDocument(wanted, sequence, new Date().toISOString()));
    apply(this.#state, wanted);
  }

  /** The last entry of a migration in a role. */
  find(role: Role, migrationId: string): OwnershipEntry | null {
    return this.#state.entries.get(key(role, migrationId)) ?? null;
  }

  /** The entry that was written last for an instance, whatever the migration. */
  latest(instanceId: string): OwnershipEntry | null {
    return [...this.#state.entries.values()].findLast((entry) => entry.instanceId === instanceId) ?? null;
  }

  /** Entries that still ask something of this host. */
  unfinished(): OwnershipEntry[] {
    return [...this.#state.entries.values()].filter((entry) => !isFinished(entry));
  }

  /** The highest epoch that this host knows to be spent for an instance; 0 for one that it never moved. */
  knownEpoch(instanceId: string): bigint {
    return this.#state.epochs.get(instanceId) ?? 0n;
  }

  /** Waits for writes under way. */
  async close(): Promise<void> {
    await this.#queue;
    await this.#file.close();
  }
}

function replay(path: string, documents: readonly unknown[]): State {
  const [first, ...rest] = documents;
  const head = check(path, journalHeader, first, 'the first line');
  const state: State = { entries: new Map(), epochs: new Map(), nextSequence: head.firstSequence };
  for (const document of rest) {
    const line = check(path, journalEntry, document, `entry ${state.nextSequence}`);
    if (line.seq !== state.nextSequence) {
      throw damaged(path, `entry ${state.nextSequence} is missing, ${line.seq} stands in its place`);
    }
    state.nextSequence += 1;
    const entry: OwnershipEntry = {
      role: line.role,
      migrationId: line.migrationId,
      instanceId: line.instanceId,
      state: line.state,
      epoch: BigInt(line.epoch),
    };
    if (line.checkpoint !== true) {
      const current = state.entries.get(key(entry.role, entry.migrationId)) ?? null;
      const outcome = step(current, entry, state.epochs.get(entry.instanceId) ?? 0n);
      if (outcome.kind === 'refused') throw damaged(path, `entry ${line.seq}: ${outcome.reason}`);
    }
    apply(state, entry);
  }
  return state;
}

function check<T extends z.ZodType>(path: string, schema: T, document: unknown, where: string): z.output<T> {
  const parsed = schema.safeParse(document);
  if (!parsed.success) throw damaged(path, `${where} is not what this release writes`);
  return parsed.data;
}

/** Re-inserted, so that the map's order is the order of the last writes. */
function apply(state: State, entry: OwnershipEntry): void {
  const place = key(entry.role, entry.migrationId);
  state.entries.delete(place);
  state.entries.set(place, entry);
  const known = state.epochs.get(entry.instanceId) ?? 0n;
  if (spendsEpoch(entry) && entry.epoch > known) state.epochs.set(entry.instanceId, entry.epoch);
}

function key(role: Role, migrationId: string): string {
  return `${role} ${migrationId}`;
}

function header(firstSequence: number): object {
  return { schema: 'drover.ownership-journal', version: 1, firstSequence };
}
