/**
 * The round over all hosts, once in each period, spread over it with jitter: so that with every doorbell lost the state is right within one
 * period. Replicas share the round: whose turn a host is, is claimed in the database, by its clock; a due time that a clock's step has put out of
 * reach counts as due.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { DroverError } from '@drover/types';
import type { Logger } from 'pino';
import type { HostDirectory, KnownHost } from '../hosts/directory.js';
import { setHostState } from '../hosts/host-row.js';
import type { HostLoss } from '../hosts/loss.js';
import { beforeNow, fromNow, now } from '../store/clock.js';
import type { Database } from '../store/database.js';
import { databaseTrouble } from '../store/retry.js';
import { readStoredVmms, type StoredVmm } from './stored-vmms.js';
import { type SweepParts, sweepHost } from './sweep.js';

/** Between looks for hosts that are due, ms. */
const TICK_MS = 200;
/** Hosts claimed at once, at most. */
const CLAIM = 50;
/** A host that did not answer is asked once more after this, ms, before anything is said of it. */
const SECOND_TRY_MS = 250;

export interface WatcherOptions {
  readonly parts: SweepParts;
  readonly loss: HostLoss;
  readonly periodMs: number;
  /** Hosts asked at once. */
  readonly workers: number;
}

export class Watcher {
  readonly #options: WatcherOptions;
  readonly #database: Database;
  readonly #directory: HostDirectory;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  /** Hosts that are being looked at, and whether they are to be looked at again. */
  readonly #busy = new Map<string, { again: boolean; readonly done: Promise<void> }>();
  readonly #wanted = new Set<string>();
  #loop: Promise<void> = Promise.resolve();
  #wake: AbortController | null = null;

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#database = options.parts.database;
    this.#directory = options.parts.directory;
    this.#logger = options.parts.logger;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Looks at this host as soon as there is room. */
  want(hostId: string): void {
    this.#wanted.add(hostId);
    this.#wake?.abort();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.abort();
    await this.#loop;
    await Promise.allSettled([...this.#busy.values()].map(({ done }) => done));
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const wanted = [...this.#wanted].slice(0, Math.max(0, this.#options.workers - this.#busy.size));
        const room = Math.min(CLAIM, this.#options.workers - this.#busy.size - wanted.length);
        const due = room > 0 ? await this.#claim(room) : [];
        // Where this fails they stay wanted.
        for (const hostId of due) this.#wanted.add(hostId);
        const next = new Set([...wanted, ...due]);
        const stored = await readStoredVmms(this.#database, [...next]);
        // One after the other: what many hosts say at one moment would hold up what is rung for.
        let gapMs = TICK_MS / next.size;
        for (const hostId of next) {
          if (signal.aborted) return;
          this.#wanted.delete(hostId);
          this.#begin(hostId, stored.get(hostId) ?? []);
          if (gapMs > 0 && (await this.#isWokenWithin(gapMs))) gapMs = 0;
        }
        if (next.size > 0) continue;
      } catch (err) {
        if (signal.aborted) return;
        this.#logger.warn(
          { err },
          'no hosts can be claimed now; the round goes on when the database is back',
        );
        await pause(1_000, undefined, { signal }).catch(() => undefined);
      }
      await this.#isWokenWithin(
        this.#wanted.size > 0 && this.#busy.size < this.#options.workers ? 1 : TICK_MS,
      );
    }
  }

  /** Waits for so long, or until somebody wants a host to be looked at. */
  async #isWokenWithin(ms: number): Promise<boolean> {
    const wake = new AbortController();
    this.#wake = wake;
    await pause(ms, undefined, { signal: wake.signal }).catch(() => undefined);
    this.#wake = null;
    return wake.signal.aborted;
  }

  /** Hosts whose turn it is; each is due again after a period, less up to a tenth, so that the round stays within it and does not bunch. */
  async #claim(limit: number): Promise<string[]> {
    const { periodMs } = this.#options;
    const again = periodMs * (0.9 - Math.random() * 0.1);
    return this.#database.run(async (db) => {
      const rows = await db
        .updateTable('host_watches')
        .set({ due_at: fromNow(again) })
        .where('host_id', 'in', (where) =>
          where
            .selectFrom('host_watches')
            .select('host_id')
            .where((eb) => eb.or([eb('due_at', '<=', now), eb('due_at', '>', fromNow(2 * periodMs))]))
            .orderBy('due_at')
            .limit(limit),
        )
        .where((eb) => eb.or([eb('due_at', '<=', now), eb('due_at', '>', fromNow(2 * periodMs))]))
        .returning('host_id')
        .execute();
      return rows.map(({ host_id }) => host_id);
    });
  }

  #begin(hostId: string, stored: readonly StoredVmm[]): void {
    const running = this.#busy.get(hostId);
    if (running) {
      running.again = true;
      return;
    }
    const done = this.#look(hostId, stored).finally(() => {
      const { again } = this.#busy.get(hostId) ?? { again: false };
      this.#busy.delete(hostId);
      if (again) this.want(hostId);
    });
    this.#busy.set(hostId, { again: false, done });
  }

  async #look(hostId: string, stored: readonly StoredVmm[]): Promise<void> {
    const { parts, loss } = this.#options;
    // Another replica may have registered it a moment ago.
    if (!this.#directory.get(hostId)) await this.#directory.reload([hostId]).catch(() => undefined);
    const host = this.#directory.get(hostId);
    if (!host || host.state === 'lost') return;
    try {
      await this.#tryTwice(host, stored);
      parts.counters.sweeps.completed += 1;
    } catch (err) {
      if (this.#stopping.signal.aborted) return;
      parts.counters.sweeps.failed += 1;
      if (isOurs(err)) {
        this.#logger.debug({ err, hostId }, 'a host could not be looked at for want of the database');
        return this.#dueAgain(hostId);
      }
      await loseTouch(parts, host, err).catch((thrown: unknown) => {
        this.#logger.warn({ err: thrown, hostId }, 'that a host does not answer could not be written down');
      });
      await loss.consider(hostId);
    }
  }

  async #tryTwice(host: KnownHost, stored: readonly StoredVmm[]): Promise<void> {
    try {
      await sweepHost(this.#options.parts, host, stored);
    } catch (thrown) {
      if (isOurs(thrown) || this.#stopping.signal.aborted) throw thrown;
      await pause(SECOND_TRY_MS, undefined, { signal: this.#stopping.signal });
      await sweepHost(this.#options.parts, this.#directory.get(host.id) ?? host, stored);
    }
  }

  async #dueAgain(hostId: string): Promise<void> {
    await this.#database
      .run((db) =>
        db
          .updateTable('host_watches')
          .set({ due_at: beforeNow(0) })
          .where('host_id', '=', hostId)
          .execute(),
      )
      .catch(() => undefined);
  }
}

/** Asked twice and no answer: unreachable, which says nothing of its guests. */
async function loseTouch(
  { changeLog, directory, logger }: SweepParts,
  host: KnownHost,
  err: unknown,
): Promise<void> {
  const why = (err instanceof Error ? err.message : String(err)).slice(0, 1024);
  const changed = await changeLog.transaction((transaction, changes) =>
    setHostState(transaction, changes, host.id, {
      state: 'unreachable',
      reason: why,
      from: ['active', 'draining', 'maintenance'],
    }),
  );
  await directory.reload([host.id]);
  if (changed) logger.warn({ hostId: host.id, host: host.name, why }, 'a host does not answer');
}

/** Trouble of this side: no host is to blame. */
function isOurs(thrown: unknown): boolean {
  return (
    databaseTrouble(thrown) !== null ||
    (thrown instanceof DroverError && thrown.code === 'database-unavailable')
  );
}
