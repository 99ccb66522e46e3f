/**
 * Works on the sagas of one table: claims those whose time has come, advances each by what can be done now, and lets go. Nothing is kept
 * in memory between two turns, so any replica can take the next one.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { DroverError } from '@drover/types';
import type { Logger } from 'pino';
import type { Database } from '../store/database.js';
import { type Claim, claimDue, releaseClaim, renewClaim, type SagaTable } from './claims.js';

export interface SagaRunnerOptions {
  readonly database: Database;
  readonly table: SagaTable;
  /** The replica's id. */
  readonly owner: string;
  /** How long a replica that died holds up what it had claimed, ms. */
  readonly leaseMs: number;
  /** Between two looks at what is due, ms. */
  readonly pollMs: number;
  /** Sagas advanced at once, at most. */
  readonly concurrency: number;
  /**
   * Does what can be done now and resolves with when to go on, ms from now. `signal` is aborted when the claim was lost or the replica
   * stops.
   */
  readonly advance: (claim: Claim, signal: AbortSignal) => Promise<number>;
  readonly logger: Logger;
}

/** Before a saga is tried again that failed in a way it does not know itself, ms. */
const AFTER_FAILURE_MS = 2_000;

export class SagaRunner {
  readonly #options: SagaRunnerOptions;
  readonly #stop = new AbortController();
  readonly #active = new Set<Promise<void>>();
  #wake: () => void = () => undefined;
  #kicked = false;
  #loop: Promise<void> | undefined;

  constructor(options: SagaRunnerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Looks now: something is due that this replica knows of. */
  kick(): void {
    this.#kicked = true;
    this.#wake();
  }

  /** Sagas that are being advanced now. */
  get active(): number {
    return this.#active.size;
  }

  /** Stops claiming and waits for what is being advanced, which is told to stop. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#loop;
    await Promise.all(this.#active);
  }

  async #run(): Promise<void> {
    const { pollMs, logger, table } = this.#options;
    while (!this.#stop.signal.aborted) {
      this.#kicked = false;
      try {
        await this.#turn();
      } catch (err) {
        logger.warn({ err, table }, 'sagas cannot be claimed; trying again');
      }
      if (!this.#kicked) await this.#rest(pollMs * (0.75 + Math.random() / 2));
    }
  }

  async #turn(): Promise<void> {
    const { database, table, owner, leaseMs, concurrency } = this.#options;
    const limit = concurrency - this.#active.size;
    if (limit <= 0) return;
    const signal = this.#stop.signal;
    const claims = await database.run((db) => claimDue(db, table, { owner, leaseMs, limit }), { signal });
    for (const claim of claims) {
      const work = this.#advance(claim).finally(() => {
        this.#active.delete(work);
        // There may be more than fit in at once.
        if (claims.length === limit) this.kick();
      });
      this.#active.add(work);
    }
  }

  async #advance(claim: Claim): Promise<void> {
    const { database, leaseMs, logger, advance } = this.#options;
    const lost = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, lost.signal]);
    const renewal = setInterval(() => {
      database
        .run((db) => renewClaim(db, claim, leaseMs))
        .catch((err: unknown) => {
          // A database that is away keeps nobody from working: the number in every write decides.
          if (err instanceof DroverError && err.code === 'saga-claim-lost') lost.abort(err);
        });
    }, leaseMs / 3);
    let inMs = AFTER_FAILURE_MS;
    try {
      inMs = await advance(claim, signal);
    } catch (err) {
      if (err instanceof DroverError && err.code === 'saga-claim-lost') {
        logger.info({ claim }, 'another replica took over');
        return;
      }
      if (this.#stop.signal.aborted) inMs = 0;
      else logger.error({ err, claim }, 'a saga could not be advanced; trying again');
    } finally {
      clearInterval(renewal);
    }
    await database
      .run((db) => releaseClaim(db, claim, inMs))
      // Its lease runs out by itself.
      .catch((err: unknown) => logger.warn({ err, claim }, 'a claim could not be given back'));
    if (inMs === 0) this.kick();
  }

  async #rest(ms: number): Promise<void> {
    const rest = new AbortController();
    this.#wake = () => rest.abort();
    if (this.#stop.signal.aborted || this.#kicked) return;
    await pause(ms, undefined, { signal: rest.signal }).catch(() => undefined);
  }
}
