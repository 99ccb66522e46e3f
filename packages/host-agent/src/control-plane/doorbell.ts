/**
 * Rings the control plane's doorbell for each VMM of which there is news. A ring carries no state, so a second one for the same VMM that waits is
 * the same ring; and one that is lost costs time and nothing else, since the control plane asks by itself as well (R10).
 *
 * | answer | what follows |
 * | --- | --- |
 * | 2xx | done |
 * | 404 `vmm-not-found` | done: the control plane does not know the VMM yet, and finds it by itself |
 * | another 404 | there is no doorbell at this address: the older upcall, from now on, until its release changes |
 * | anything else, or none | a few more tries, then it is forgotten |
 */
import { upcallBody } from '@drover/protocol';
import { type VmmState, writeVmmState } from '@drover/types';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { ControlPlaneLink, LinkAnswer, LinkRequest } from './link.js';
import { pause } from './pause.js';

/** Rings under way at once. */
const AT_ONCE = 4;
/** VMMs that wait to be rung for; what does not fit is forgotten. */
const WAITING = 4096;
/** Waits before another try, ms. */
const BACKOFF_MS = [100, 400, 1_600] as const;

const greeting = z.object({ release: z.string() });

export interface DoorbellOptions {
  readonly link: ControlPlaneLink;
  /** The state of a VMM as it is now; undefined where it is no more. The older upcall needs it. */
  readonly stateOf: (vmmId: string) => VmmState | undefined;
  readonly logger: Logger;
  readonly shutdown: AbortSignal;
}

export interface DoorbellCounts {
  readonly answered: number;
  readonly unknown: number;
  readonly failed: number;
  readonly dropped: number;
}

export class Doorbell {
  readonly #options: DoorbellOptions;
  /** In the order of their first ring. */
  readonly #waiting = new Set<string>();
  readonly #ringing = new Set<Promise<void>>();
  /** Addresses without a doorbell, with the release that said so. */
  readonly #withUpcall = new Map<string, string | null>();
  readonly #counts = { answered: 0, unknown: 0, failed: 0, dropped: 0 };

  constructor(options: DoorbellOptions) {
    this.#options = options;
  }

  get counts(): DoorbellCounts {
    return this.#counts;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Returns at once, whatever the control plane does. */
  ring(vmmId: string): void {
    if (this.#options.shutdown.aborted) return;
    if (this.#waiting.size >= WAITING && !this.#waiting.has(vmmId)) {
      this.#counts.dropped += 1;
      return;
    }
    this.#waiting.add(vmmId);
    this.#next();
  }

  /** Another release may have a doorbell where the one before had none; to be called now and then. */
  async reconsider(): Promise<void> {
    const { link } = this.#options;
    const before = this.#withUpcall.get(link.url);
    if (before === undefined) return;
    const { url, release } = await this.#release();
    if (this.#withUpcall.has(url) && this.#withUpcall.get(url) !== release) this.#withUpcall.delete(url);
  }

  async close(): Promise<void> {
    this.#waiting.clear();
    await Promise.allSettled(this.#ringing);
  }

  #next(): void {
    for (const vmmId of this.#waiting) {
      if (this.#ringing.size >= AT_ONCE) return;
      this.#waiting.delete(vmmId);
      const ringing: Promise<void> = this.#deliver(vmmId)
        .catch((err: unknown) => {
          if (this.#options.shutdown.aborted) return;
          this.#counts.failed += 1;
          this.#options.logger.debug(
            { err, vmm: vmmId },
            'a ring was not heard; the control plane will ask by itself',
          );
        })
        .finally(() => {
          this.#ringing.delete(ringing);
          this.#next();
        });
      this.#ringing.add(ringing);
    }
  }

  async #deliver(vmmId: string): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      let failure: unknown;
      try {
        const answer = await this.#tell(vmmId);
        if (answer === null) return;
        if (answer.status < 300) {
          this.#counts.answered += 1;
          return;
        }
        if (answer.status === 404) {
          this.#counts.unknown += 1;
          return;
        }
        failure = new Error(`${answer.url} answered ${answer.status} ${answer.code ?? ''}`.trim());
      } catch (thrown) {
        failure = thrown;
      }
      const wait = BACKOFF_MS[attempt];
      // News of the same VMM rings for itself.
      if (wait === undefined || this.#waiting.has(vmmId)) throw failure;
      await pause(wait, this.#options.shutdown);
    }
  }

  /** Null where there is nothing to tell in a way that the control plane knows. */
  async #tell(vmmId: string): Promise<LinkAnswer | null> {
    const { link } = this.#options;
    if (!this.#withUpcall.has(link.url)) {
      const answer = await link.ask({ method: 'POST', path: `/doorbells/vmms/${vmmId}` });
      if (answer.status !== 404 || answer.code === 'vmm-not-found') return answer;
      const { url, release } = await this.#release();
      this.#withUpcall.set(url, release);
      this.#options.logger.info(
        { controlPlane: url, release },
        'the control plane has no doorbell; states are sent as older releases do',
      );
    }
    const upcall = this.#upcall(vmmId);
    return upcall && link.ask(upcall);
  }

  /** Null where the VMM is gone, or has something that the frozen body has no words for. */
  #upcall(vmmId: string): LinkRequest | null {
    const state = this.#options.stateOf(vmmId);
    if (state === undefined) return null;
    try {
      const body = upcallBody.parse(writeVmmState(state, [1]));
      return { method: 'PUT', path: `/vmms/${vmmId}`, body };
    } catch {
      return null;
    }
  }

  async #release(): Promise<{ url: string; release: string | null }> {
    const { url, text } = await this.#options.link.ask({ method: 'GET', path: '/' });
    try {
      return { url, release: greeting.parse(JSON.parse(text)).release };
    } catch {
      return { url, release: null };
    }
  }
}
