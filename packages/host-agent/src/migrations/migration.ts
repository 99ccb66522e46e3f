/** One migration as this host shows it, in either role: its view, its events, and the wish to cancel it. */
import { join } from 'node:path';
import type { Doubt, MigrationView } from '@drover/protocol';
import type { ErrorBody, MigrationPhase, MigrationProgress, MigrationReport } from '@drover/types';
import { writeFileAtomic } from '../storage/atomic-file.js';
import { encodeMigration, type StoredMigration } from './document.js';
import { MigrationEvents } from './events.js';

/** What the journal says of a migration in a role; null where nothing. */
export type OwnershipOf = (view: Pick<MigrationView, 'id' | 'role'>) => MigrationView['ownership'];

export class Migration {
  readonly events = new MigrationEvents();
  /** Resolves when the migration has ended and its end is on disk. */
  readonly ended: Promise<void>;
  /** Digest of the request that began it; null where its id was not the caller's choice. */
  readonly request: string | null;
  readonly #path: string;
  readonly #ownership: OwnershipOf;
  readonly #onEnded: (view: MigrationView) => void;
  readonly #cancel = new AbortController();
  #view: MigrationView;
  #doubt: (() => Doubt) | null = null;
  #writes: Promise<void> = Promise.resolve();
  #resolveEnded: () => void = () => undefined;

  /** `directory` is the state directory's `migrations`. */
  constructor(
    { view, request }: StoredMigration,
    directory: string,
    ownership: OwnershipOf = () => null,
    onEnded: (view: MigrationView) => void = () => undefined,
  ) {
    this.#view = Object.freeze(view);
    this.request = request;
    this.#ownership = ownership;
    this.#onEnded = onEnded;
    this.#path = join(directory, `${view.id}.json`);
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    if (view.endedAt !== null) this.#publishEnd();
  }

  /** What the journal says of it is looked up now. */
  get view(): MigrationView {
    return { ...this.#view, ownership: this.#ownership(this.#view), doubt: this.doubt };
  }

  /** What is in doubt, as it stands now; null when nothing is. */
  get doubt(): Doubt | null {
    return this.#doubt?.() ?? null;
  }

  /** From now on, until its end, this host waits for the other one's word. */
  waitsForWord(doubt: () => Doubt): void {
    this.#doubt = doubt;
  }

  /** Aborted by {@link cancel}. */
  get cancelled(): AbortSignal {
    return this.#cancel.signal;
  }

  cancel(): void {
    this.#cancel.abort();
  }

  phase(phase: MigrationPhase): void {
    this.#change({ phase });
  }

  progress(progress: MigrationProgress): void {
    this.#change({ progress, phase: progress.phase });
    this.events.publish({ kind: 'progress', at: now(), progress });
  }

  note(message: string): void {
    this.events.publish({ kind: 'note', at: now(), message });
  }

  /** Relinquished, and nobody knows yet what the destination did. */
  async inDoubt(error: ErrorBody): Promise<void> {
    this.#change({ state: 'in-doubt', error });
    this.note(error.message);
    await this.persist();
  }

  async end(
    change: Pick<MigrationView, 'state' | 'report' | 'error'> & { phase?: MigrationPhase },
  ): Promise<void> {
    this.#doubt = null;
    this.#change({ ...change, endedAt: now() });
    try {
      await this.persist();
    } finally {
      this.#onEnded(this.view);
      this.#publishEnd();
    }
  }

  /** The source's report, which reaches the destination after the end. */
  async report(report: MigrationReport): Promise<void> {
    this.#change({ report });
    await this.persist();
  }

  /** Writes the view as it is; resolves when it is on disk. */
  persist(): Promise<void> {
    const text = encodeMigration({ view: this.#view, request: this.request });
    const written = this.#writes.then(() => writeFileAtomic(this.#path, text));
    this.#writes = written.catch(() => undefined);
    return written;
  }

  #change(change: Partial<MigrationView>): void {
    this.#view = Object.freeze({ ...this.#view, ...change });
  }

  #publishEnd(): void {
    this.events.publish({ kind: 'ended', at: now(), migration: this.view });
    this.events.trim();
    this.#resolveEnded();
  }
}

function now(): string {
  return new Date().toISOString();
}
