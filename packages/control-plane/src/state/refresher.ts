/**
 * Asks agents for VMMs that somebody rang for. Rings are coalesced per VMM, hosts take turns, and one host is asked by one worker at a time; a
 * host with many rings is asked for all of its VMMs at once. Nothing here is lost for good: what cannot be asked now is found by the watcher.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { ApiError } from '@drover/client';
import { DroverError } from '@drover/types';
import type { Logger } from 'pino';
import type { AgentPool } from '../hosts/agent-pool.js';
import type { HostDirectory } from '../hosts/directory.js';
import { noteLag, type Origin, type StateCounters } from './counters.js';
import type { StateWriter } from './state-writer.js';

/** Rung VMMs of one host from which on its list is asked for instead. */
const LIST_FROM = 4;
/** Wait while the database is away, ms. */
const STORE_BACKOFF_MS = 500;

export interface RefresherOptions {
  readonly agents: AgentPool;
  readonly directory: HostDirectory;
  readonly writer: StateWriter;
  readonly counters: StateCounters;
  readonly logger: Logger;
  /** Hosts asked at once. */
  readonly workers: number;
  /** A VMM is not there any more: the whole host is to be looked at. */
  readonly vanished: (hostId: string) => void;
}

interface Ring {
  readonly origin: Origin;
  readonly since: number;
}

export class Refresher {
  readonly #options: RefresherOptions;
  readonly #rung = new Map<string, Map<string, Ring>>();
  /** Hosts with rings that no worker has taken, in order. */
  readonly #queue = new Set<string>();
  readonly #busy = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(options: RefresherOptions) {
    this.#options = options;
  }

  /** VMMs that wait to be asked for. */
  get depth(): number {
    let depth = 0;
    for (const rings of this.#rung.values()) depth += rings.size;
    return depth;
  }

  ring(hostId: string, vmmId: string, origin: Origin): void {
    const rings = this.#rung.get(hostId) ?? new Map<string, Ring>();
    this.#rung.set(hostId, rings);
    if (!rings.has(vmmId)) rings.set(vmmId, { origin, since: performance.now() });
    if (!this.#busy.has(hostId)) this.#queue.add(hostId);
    this.#next();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled(this.#busy.values());
  }

  #next(): void {
    if (this.#stopping.signal.aborted) return;
    for (const hostId of this.#queue) {
      if (this.#busy.size >= this.#options.workers) return;
      this.#queue.delete(hostId);
      const rings = this.#rung.get(hostId);
      this.#rung.delete(hostId);
      if (!rings) continue;
      const work = this.#refresh(hostId, rings).finally(() => {
        this.#busy.delete(hostId);
        if (this.#rung.has(hostId)) this.#queue.add(hostId);
        this.#next();
      });
      this.#busy.set(hostId, work);
    }
  }

  async #refresh(hostId: string, rings: ReadonlyMap<string, Ring>): Promise<void> {
    const { agents, directory, writer, counters, logger, vanished } = this.#options;
    const host = directory.get(hostId);
    if (!host || host.state === 'lost') return;
    const origin = [...rings.values()][0]?.origin ?? 'doorbell';
    try {
      if (rings.size >= LIST_FROM) {
        const views = await agents.ask(host, (agent, options) => agent.listVmms(options));
        await writer.store(host, views, origin);
      } else {
        await Promise.all(
          [...rings].map(async ([vmmId, ring]) => {
            const view = await agents.ask(host, (agent, options) => agent.getVmm(vmmId, options));
            if (view.state.vmmId === vmmId) await writer.store(host, [view], ring.origin);
          }),
        );
      }
      for (const { since } of rings.values()) noteLag(counters, performance.now() - since);
    } catch (err) {
      if (err instanceof ApiError && err.code === 'vmm-not-found') return vanished(hostId);
      if (err instanceof DroverError && err.code === 'database-unavailable') {
        for (const [vmmId, ring] of rings) this.#keep(hostId, vmmId, ring);
        await pause(STORE_BACKOFF_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        return;
      }
      if (this.#stopping.signal.aborted) return;
      logger.debug({ err, hostId }, 'an agent that rang could not be asked; the watcher will');
    }
  }

  #keep(hostId: string, vmmId: string, ring: Ring): void {
    const rings = this.#rung.get(hostId) ?? new Map<string, Ring>();
    this.#rung.set(hostId, rings);
    if (!rings.has(vmmId)) rings.set(vmmId, ring);
  }
}
