/**
 * The ownership journal: every step of {@link import('./states.js')} is on disk before anybody acts on it (R4).
 *
 * State is the last entry of each migration and role. Ended migrations stay, for a source may ask for an outcome long
 * after; a file past {@link COMPACT_BYTES} is rewritten at opening with one line for each.
 */
import type { z } from 'zod';
import { hostAgentErrors } from '../errors.js';
import { type Disk, nodeDisk } from '../storage/disk.js';
import { damaged, JournalFile } from './journal-file.js';
import {
  BINDING_INSTANCE,
  bindingEntry,
  compactedHeader,
  firstHeader,
  JOURNAL_VERSION,
  journalEntry,
  journalEnvelope,
  journalHeader,
  toDocument,
} from './record.js';
import { isFinished, type OwnershipEntry, type Role, spendsEpoch, step } from './states.js';

const COMPACT_BYTES = 1 << 20;

interface State {
  /** By role and migration, oldest first. */
  readonly entries: Map<string, OwnershipEntry>;
  /** Highest epoch known to be spent, by instance. */
  readonly epochs: Map<string, bigint>;
  nextSequence: number;
  /** The journal says whose it is. */
  bound: boolean;
}

export interface JournalOptions {
  /** The host that the state directory belongs to. */
  readonly hostId: string;
  /** False where there must be a journal, for there are instances: one that is made anew would say that nothing was ever given away. */
  readonly mayBegin?: boolean;
  readonly compactBytes?: number;
  readonly disk?: Disk;
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

  /** Errors: `journal-damaged`, `journal-missing`, `journal-version-unknown`, `journal-of-another-host`, `journal-write-failed`. */
  static async open(path: string, options: JournalOptions): Promise<OwnershipJournal> {
    const { hostId, disk = nodeDisk, mayBegin = true } = options;
    const begin = () => {
      if (!mayBegin) throw missing(path);
      return [firstHeader(), toDocument(bindingEntry(hostId), 1, new Date().toISOString())];
    };
    let file = await JournalFile.open(path, disk, begin);
    const { wasTorn } = file;
    try {
      let state = replay(path, file.documents, hostId);
      if (file.length > (options.compactBytes ?? COMPACT_BYTES)) {
        await file.close();
        await JournalFile.replace(path, disk, compacted(state, hostId));
        file = await JournalFile.open(path, disk, () => {
          throw missing(path);
        });
        state = replay(path, file.documents, hostId);
      }
      const journal = new OwnershipJournal(file, state, wasTorn);
      if (!state.bound) await journal.#append(bindingEntry(hostId));
      return journal;
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

  /** A step will be written in a few milliseconds, and a guest will wait for it. */
  wakeDisk(): void {
    this.#file.wakeDisk();
  }

  async #write(wanted: OwnershipEntry): Promise<void> {
    if (wanted.instanceId === BINDING_INSTANCE) {
      throw hostAgentErrors.error(
        'journal-step-refused',
        `Migration ${wanted.migrationId} names ${BINDING_INSTANCE}, which is no instance's id.`,
      );
    }
    const current = this.find(wanted.role, wanted.migrationId);
    const outcome = step(current, wanted, this.knownEpoch(wanted.instanceId));
    if (outcome.kind === 'already') return;
    if (outcome.kind === 'refused') {
      throw hostAgentErrors.error(
        'journal-step-refused',
        `Migration ${wanted.migrationId} of instance ${wanted.instanceId} cannot go on: ${outcome.reason}.`,
      );
    }
    await this.#append(wanted);
  }

  async #append(entry: OwnershipEntry): Promise<void> {
    const sequence = this.#state.nextSequence;
    this.#state.nextSequence += 1;
    await this.#file.append(toDocument(entry, sequence, new Date().toISOString()));
    apply(this.#state, entry);
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

  /**
   * Throws `journal-write-failed` where a write has failed: until the agent is started again no step can be written. It is not read again in the running
   * agent: whoever was told that a step failed may have acted on that, and only a start judges every migration by what is on the disk after all (R4).
   */
  refuseWhenFailed(): void {
    this.#file.refuseWhenFailed();
  }

  /** Waits for writes under way. */
  async close(): Promise<void> {
    await this.#queue;
    await this.#file.close();
  }
}

/** Throws `journal-damaged`, `journal-version-unknown` or `journal-of-another-host`. */
function replay(path: string, documents: readonly unknown[], hostId: string): State {
  const [first, ...rest] = documents;
  const { version } = check(path, journalEnvelope, first, 'the first line');
  if (version > JOURNAL_VERSION) throw newer(path, version);
  const head = check(path, journalHeader, first, 'the first line');
  if (head.version === 2 && head.hostId !== hostId) throw ofAnotherHost(path, head.hostId, hostId);
  const state: State = {
    entries: new Map(),
    epochs: new Map(),
    nextSequence: head.firstSequence,
    bound: head.version === 2,
  };
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
    if (entry.instanceId === BINDING_INSTANCE) {
      if (entry.migrationId !== hostId) throw ofAnotherHost(path, entry.migrationId, hostId);
      state.bound = true;
    }
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

/** One line for each migration and role, under a header that names the host; so the binding entry of version 1 is not needed. */
function compacted({ entries, nextSequence }: State, hostId: string): object[] {
  const at = new Date().toISOString();
  const kept = [...entries.values()].filter(({ instanceId }) => instanceId !== BINDING_INSTANCE);
  return [
    compactedHeader(hostId, nextSequence),
    ...kept.map((entry, index) => toDocument(entry, nextSequence + index, at, true)),
  ];
}

function newer(path: string, version: number) {
  return hostAgentErrors.error(
    'journal-version-unknown',
    `The ownership journal ${path} has version ${version} and this release reads up to ${JOURNAL_VERSION}: a newer release has written it. Start that release on this state directory; nothing was changed, and guests run on.`,
  );
}

function ofAnotherHost(path: string, theirs: string, ours: string) {
  return hostAgentErrors.error(
    'journal-of-another-host',
    `The ownership journal ${path} belongs to host ${theirs} and this state directory to host ${ours}. Put back the journal of this host; another one's says nothing about the guests here.`,
  );
}

function missing(path: string) {
  return hostAgentErrors.error(
    'journal-missing',
    `The ownership journal ${path} is not there, but instances of this host are. Restore it from a copy; without it nobody can say which of them this host may run.`,
  );
}
