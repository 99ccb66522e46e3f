/**
 * The doorbell: answered from memory alone. A ring for a VMM that is not known is turned down and costs one entry in a set that is bounded; as
 * another replica may have made the VMM, the set is looked up in the database once a second.
 */
import type { Logger } from 'pino';
import type { Database } from '../store/database.js';
import { isUuid } from '../store/uuid.js';
import type { StateCounters } from './counters.js';
import type { Refresher } from './refresher.js';
import type { VmmIndex } from './vmm-index.js';

/** Unknown ids kept between two looks. */
const MAX_UNKNOWN = 1_000;

export interface DoorbellsOptions {
  readonly index: VmmIndex;
  readonly refresher: Refresher;
  readonly database: Database;
  readonly counters: StateCounters;
  readonly logger: Logger;
}

export class Doorbells {
  readonly #options: DoorbellsOptions;
  #unknown = new Set<string>();

  constructor(options: DoorbellsOptions) {
    this.#options = options;
  }

  /** Ids that wait to be looked up. */
  get unknown(): number {
    return this.#unknown.size;
  }

  /** False where the VMM is not known. */
  ring(vmmId: string, origin: 'doorbell' | 'upcall'): boolean {
    const { index, refresher, counters } = this.#options;
    const counted = origin === 'doorbell' ? counters.rings : counters.upcalls;
    const id = vmmId.toLowerCase();
    const known = index.get(id);
    if (known) {
      counted.known += 1;
      refresher.ring(known.hostId, id, origin);
      return true;
    }
    counted.unknown += 1;
    if (this.#unknown.size < MAX_UNKNOWN && isUuid(id)) this.#unknown.add(id);
    return false;
  }

  /** Called once a second. What cannot be looked up now is dropped: the watcher finds it. */
  async lookUp(): Promise<void> {
    if (this.#unknown.size === 0) return;
    const ids = [...this.#unknown];
    this.#unknown = new Set();
    const { index, refresher, database } = this.#options;
    for (const id of await index.lookUp(database, ids)) {
      const known = index.get(id);
      if (known) refresher.ring(known.hostId, id, 'doorbell');
    }
  }
}
