/**
 * Chooses a host for an instance that is to be made, and has the room promised. The choice is made from what was read before; what counts
 * is what is there once the host's row is held, so a choice that others were faster to fill is made anew.
 */
import type { Placement } from '@drover/protocol';
import { DroverError, type InstanceSpec } from '@drover/types';
import type { Transaction } from 'kysely';
import { controlPlaneErrors } from '../errors.js';
import { findHost } from '../hosts/host-row.js';
import { findCandidates } from '../placement/candidates.js';
import { wishOf } from '../placement/fleet.js';
import type { FleetReader, PlacementOptions } from '../placement/read-fleet.js';
import { reserveRoom } from '../placement/reservations.js';
import type { Database } from '../store/database.js';
import type { Schema } from '../store/schema.js';

export interface ToPlace {
  readonly id: string;
  readonly name: string;
  readonly spec: InstanceSpec;
  readonly placement: Placement;
}

/** Tries so often where others take the room that was just seen. */
const TRIES = 5;
/** Hosts whose reasons are told. */
const TOLD = 5;

/** Somebody was faster: not an error, but a reason to choose again. */
class RoomTaken extends Error {}

export class Placer {
  readonly #database: Database;
  readonly #fleet: FleetReader;
  readonly #options: PlacementOptions;

  constructor(database: Database, fleet: FleetReader, options: PlacementOptions) {
    this.#database = database;
    this.#fleet = fleet;
    this.#options = options;
  }

  /**
   * Does `work`, which calls `promise` within its transaction. Errors: `no-host-fits`, which says why of each host, before `work` is begun;
   * what `work` throws.
   */
  async place<T>(
    wish: ToPlace,
    work: (promise: (transaction: Transaction<Schema>) => Promise<void>) => Promise<T>,
  ): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      const hostId = await this.#choose(wish);
      try {
        return await work((transaction) => this.#promise(transaction, wish, hostId));
      } catch (thrown) {
        if (!(thrown instanceof RoomTaken)) throw thrown;
        if (tries === TRIES) throw noHost(wish, [thrown.message]);
      }
    }
  }

  async #choose(wish: ToPlace): Promise<string> {
    const pinned = await this.#pinned(wish);
    const hosts = await this.#fleet.read(this.#database, pinned);
    const { fitting, refused } = findCandidates(wishOf(wish), hosts);
    const [best] = fitting;
    if (best) return best.id;
    throw noHost(
      wish,
      refused.map(({ findings }) => findings[0]?.sentence ?? ''),
    );
  }

  /** Null lets it be any host. */
  async #pinned(wish: ToPlace): Promise<string[] | null> {
    const { host } = wish.placement;
    if (host === null) return null;
    try {
      return [(await this.#database.run((db) => findHost(db, host))).id];
    } catch (thrown) {
      if (!(thrown instanceof DroverError && thrown.code === 'host-not-found')) throw thrown;
      throw noHost(wish, [thrown.message]);
    }
  }

  async #promise(transaction: Transaction<Schema>, wish: ToPlace, hostId: string): Promise<void> {
    const { id, name, spec, placement } = wish;
    const instance = {
      id,
      name,
      cpus: spec.cpus,
      memoryBytes: spec.memoryMiB * 1024 * 1024,
      antiAffinity: placement.antiAffinity,
    };
    const finding = await reserveRoom(transaction, { id, instance, hostId }, this.#options);
    if (finding !== null) throw new RoomTaken(finding.sentence);
  }
}

function noHost({ name }: ToPlace, reasons: readonly string[]): DroverError {
  const told = reasons.slice(0, TOLD).join(' ') || 'None is registered.';
  const more = reasons.length > TOLD ? ` And ${reasons.length - TOLD} more.` : '';
  return controlPlaneErrors.error(
    'no-host-fits',
    `No host fits instance ${name}. ${told}${more} Make room, or change its placement.`,
  );
}
