/**
 * Takes what was read from agents and stores it, in batches: each gathers for a moment, so that rings of many hosts cost few
 * transactions. What is not newer than what this replica knows to be stored costs none. VMMs that have ended are acknowledged to their agent
 * once their last state is stored, and not before.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ChangeLog } from '../events/change-log.js';
import type { VmmView } from '../hosts/agent.js';
import type { AgentAddress, AgentPool } from '../hosts/agent-pool.js';
import type { AdoptInstances } from './adopt-instances.js';
import type { Origin, StateCounters } from './counters.js';
import { followInstances } from './follow-instances.js';
import { type SeenVmm, storeStates } from './store-states.js';
import type { VmmIndex } from './vmm-index.js';

/** VMMs in one transaction, at most. */
const BATCH = 200;
/** How long a batch gathers, ms: a transaction costs about as much for one VMM as for ten, and a ring may take 250 (docs/scale.md). */
const GATHER_MS = 20;

interface Entry extends SeenVmm {
  readonly host: AgentAddress;
  readonly origin: Origin;
  readonly done: () => void;
  readonly failed: (reason: unknown) => void;
}

export interface StateWriterOptions {
  readonly changeLog: ChangeLog;
  readonly index: VmmIndex;
  readonly counters: StateCounters;
  readonly agents: AgentPool;
  readonly adopt: AdoptInstances;
  readonly logger: Logger;
}

export class StateWriter {
  readonly #options: StateWriterOptions;
  #waiting: Entry[] = [];
  #writing: Promise<void> | null = null;

  constructor(options: StateWriterOptions) {
    this.#options = options;
  }

  /** Resolves when what is new of it is stored. Errors: `database-unavailable`. */
  async store(host: AgentAddress, views: readonly VmmView[], origin: Origin): Promise<void> {
    const fresh = views.filter((view) => this.#isNews(host, view));
    this.#options.counters.unchanged += views.length - fresh.length;
    if (fresh.length === 0) return;
    await this.#options.adopt(host, fresh);
    const stored = fresh.map(
      (view) =>
        new Promise<void>((done, failed) => {
          this.#waiting.push({ host, hostId: host.id, view, origin, done, failed });
        }),
    );
    this.#writing ??= this.#writeAll();
    await Promise.all(stored);
  }

  /** Resolves when nothing waits any more. */
  async close(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  #isNews({ id }: AgentAddress, { state, ended }: VmmView): boolean {
    if (ended) return true;
    const known = this.#options.index.get(state.vmmId);
    if (!known || known.hostId !== id) return true;
    const generation = BigInt(state.generation);
    if (generation < known.generation) {
      this.#options.counters.stale += 1;
      this.#options.logger.warn(
        { hostId: id, vmmId: state.vmmId, generation: state.generation, stored: String(known.generation) },
        'an agent tells an older state than it told before; it is ignored',
      );
      return false;
    }
    return generation > known.generation;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (this.#waiting.length < BATCH) await pause(GATHER_MS);
      const batch = takeBatch(this.#waiting);
      const taken = new Set(batch);
      this.#waiting = this.#waiting.filter((entry) => !taken.has(entry));
      try {
        await this.#write(batch);
        for (const { done } of batch) done();
      } catch (thrown) {
        for (const { failed } of batch) failed(thrown);
      }
    }
    this.#writing = null;
  }

  async #write(batch: readonly Entry[]): Promise<void> {
    const { changeLog, index, counters, logger } = this.#options;
    const outcomes = await changeLog.transaction(async (transaction, changes) => {
      const stored = await storeStates(transaction, changes, batch);
      const touched = batch.filter(({ view }) => stored.get(view.state.vmmId) === 'stored');
      await followInstances(
        transaction,
        changes,
        touched.map(({ view }) => view.state.instanceId),
      );
      return stored;
    });
    for (const entry of batch) {
      const { state, ended } = entry.view;
      const outcome = outcomes.get(state.vmmId);
      if (outcome === 'foreign') {
        counters.foreign += 1;
        logger.warn(
          { hostId: entry.hostId, vmmId: state.vmmId, instanceId: state.instanceId },
          'an agent tells of a VMM that is of another host or instance; it is ignored',
        );
        continue;
      }
      if (outcome === 'stored') counters.found[entry.origin] += 1;
      else counters.unchanged += 1;
      if (ended) index.forget(state.vmmId);
      else if (outcome === 'stored') index.learn(state.vmmId, entry.hostId, BigInt(state.generation));
      if (ended) void this.#acknowledge(entry.host, state.vmmId, state.generation);
    }
  }

  /** One that fails is tried again when the agent lists the VMM again. */
  async #acknowledge(host: AgentAddress, vmmId: string, generation: string): Promise<void> {
    const { agents, counters, logger } = this.#options;
    try {
      await agents.ask(host, (agent, options) => agent.acknowledgeVmm(vmmId, generation, options));
      counters.acknowledged += 1;
    } catch (err) {
      logger.debug({ err, hostId: host.id, vmmId }, 'the end of a VMM could not be acknowledged yet');
    }
  }
}

/** The first entries, one for each VMM: two states of one VMM go one after the other. */
function takeBatch(waiting: readonly Entry[]): Entry[] {
  const batch = new Map<string, Entry>();
  for (const entry of waiting) {
    if (batch.size === BATCH) break;
    if (!batch.has(entry.view.state.vmmId)) batch.set(entry.view.state.vmmId, entry);
  }
  return [...batch.values()];
}
