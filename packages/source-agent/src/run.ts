import { type BulkSender, createUrgency } from '@drover/native';
import type { ControlChannel } from '@drover/protocol';
import { type DroverError, Interruption, type RoundReport } from '@drover/types';
import type { DirtyTracker, VmmEvent } from '@drover/vmm';
import type { Logger } from 'pino';
import { DEFAULT_SOURCE_DEADLINES, type SourceDeadlines } from './deadlines.js';
import { sourceErrors } from './errors.js';
import type { SourceMigration } from './migration.js';
import { ProgressReporter } from './progress.js';

/**
 * One migration while it goes on: what is held, so that a failure in any phase finds everything that must be given back,
 * and the one interruption that all its waits heed.
 */
export class SourceRun {
  readonly deadlines: SourceDeadlines;
  readonly interruption = new Interruption();
  readonly progress: ProgressReporter;
  readonly log: Logger;
  readonly rounds: RoundReport[] = [];

  channel: ControlChannel | null = null;
  tracker: DirtyTracker | null = null;
  sender: BulkSender | null = null;
  /** Device state on its way; a failed migration waits for it to end before it resumes the guest. */
  saving: Promise<unknown> | null = null;
  /** The guest stands still because we paused it. */
  pausedByUs = false;
  /** The destination may have made something. */
  prepareSent = false;
  /** The destination may be READY, where it waits for word from us. */
  switchoverSent = false;
  /** RELINQUISHED may be on disk. */
  relinquishing = false;

  #ignoreGuest: () => void = () => {};
  readonly #urgency = createUrgency();

  constructor(readonly migration: SourceMigration) {
    this.deadlines = { ...DEFAULT_SOURCE_DEADLINES, ...migration.deadlines };
    this.log = migration.logger.child({
      migration: migration.migrationId,
      instance: migration.instance.id,
    });
    this.progress = new ProgressReporter(migration);
  }

  /** Who and where, for sentences. */
  get label(): string {
    const { instance, destination } = this.migration;
    return `"${instance.name}" to ${destination.host}:${destination.port}`;
  }

  /** Starts to heed cancel, the agent's stop and the guest's own end. */
  watch(): void {
    const { signal, shutdown, vmm, instance } = this.migration;
    this.interruption.follow(signal, () =>
      sourceErrors.error('migration-cancelled', `The migration of ${this.label} was cancelled.`),
    );
    this.interruption.follow(shutdown, () =>
      sourceErrors.error(
        'source-stopping',
        `The source agent stopped during the migration of ${this.label}; the guest goes on, try again later.`,
      ),
    );
    this.#ignoreGuest = vmm.onEvent((event) => this.interruption.interrupt(guestError(instance.name, event)));
    this.interruption.onClose(() => this.#ignoreGuest());
  }

  /** The destination has all of the guest: what happens to the source's VMM no longer ends the migration (R2). */
  ignoreGuest(): void {
    this.#ignoreGuest();
  }

  /** From here on the guest stands still, and waits for this process. */
  hurry(): void {
    this.#urgency.begin();
    this.sender?.hurry();
  }

  /** It waits no longer, or for somebody else. Idempotent. */
  settle(): void {
    this.#urgency.end();
  }

  /** Pauses the guest; ms it took. Not raced: whether the guest stands still must be known. */
  async pauseGuest(): Promise<number> {
    const startedAt = performance.now();
    try {
      await this.migration.vmm.pause();
    } catch (cause) {
      throw sourceErrors.error(
        'pause-failed',
        `"${this.migration.instance.name}" could not be paused: ${text(cause)}`,
        cause,
      );
    }
    this.pausedByUs = true;
    return performance.now() - startedAt;
  }

  async resumeGuest(): Promise<void> {
    await this.migration.vmm.resume();
    this.pausedByUs = false;
  }

  /** Waits for bulk work. Throws what interrupted it, or `bulk-failed`. */
  async bulk<T>(work: Promise<T>): Promise<T> {
    try {
      return await this.interruption.race(work);
    } catch (cause) {
      this.interruption.throwIfInterrupted();
      throw sourceErrors.error(
        'bulk-failed',
        `The memory transfer of ${this.label} broke: ${text(cause)}`,
        cause,
      );
    }
  }

  /** Gives back what holds threads and sockets. Idempotent. */
  release(): void {
    this.settle();
    this.interruption.close();
    this.progress.stop();
    this.tracker?.stop();
    this.sender?.close();
    this.channel?.close();
  }
}

export function text(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function guestError(name: string, event: VmmEvent): DroverError {
  return event.kind === 'guest-reset'
    ? sourceErrors.error('guest-was-reset', `"${name}" was reset while it was being moved: ${event.message}`)
    : sourceErrors.error('guest-ended', `"${name}" ended while it was being moved: ${event.message}`);
}
