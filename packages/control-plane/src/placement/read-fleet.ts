/**
 * The fleet as the database has it, for placement. What is used of a host is what its guests and its reservations take, each instance once: a
 * guest that has arrived is not counted again for the room it was promised.
 *
 * Descriptions are large and change rarely: they are kept, and read again where their digest is another.
 */
import { DroverError, type Host, readHost } from '@drover/types';
import { sql } from 'kysely';
import type { Database, Queries } from '../store/database.js';
import type { PlacementHost, Room } from './fleet.js';

export interface PlacementOptions {
  /** Virtual processors that guests may have for each of a host's. */
  readonly cpuOvercommit: number;
  /** Bytes that guests may have for each of a host's. */
  readonly memoryOvercommit: number;
}

/** What one host's guests and reservations take. */
export interface HostUse {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly guests: number;
}

/** A VMM that has ended takes nothing; a reservation and a VMM of the same instance on the same host are one. */
const taken = (hostIds: readonly string[] | null) => {
  const [ofVmms, ofReservations] =
    hostIds === null
      ? [sql``, sql``]
      : [sql`and v.host_id in (${sql.join(hostIds)})`, sql`where r.host_id in (${sql.join(hostIds)})`];
  return sql`(
    select v.host_id, i.id, i.cpus, i.memory_bytes, i.anti_affinity
      from vmms v join instances i on i.id = v.instance_id where v.ended_at is null ${ofVmms}
    union
    select r.host_id, i.id, i.cpus, i.memory_bytes, i.anti_affinity
      from reservations r join instances i on i.id = r.instance_id ${ofReservations}
  )`;
};

/** By host id; a host without guests is not in it. `hostIds` null: of all. */
export async function readUse(
  db: Queries,
  hostIds: readonly string[] | null,
  without: string | null = null,
): Promise<ReadonlyMap<string, HostUse>> {
  if (hostIds?.length === 0) return new Map();
  const others = without === null ? sql`` : sql`where t.id <> ${without}`;
  const { rows } = await sql<{ host_id: string; cpus: string; memory: string; guests: string }>`
    select t.host_id, sum(t.cpus)::text as cpus, sum(t.memory_bytes)::text as memory, count(*)::text as guests
      from ${taken(hostIds)} t ${others} group by t.host_id`.execute(db);
  return new Map(
    rows.map(({ host_id, cpus, memory, guests }) => [
      host_id,
      { cpus: Number(cpus), memoryBytes: Number(memory), guests: Number(guests) },
    ]),
  );
}

/** By host id, of every anti-affinity group the instances there. */
export async function readGroups(
  db: Queries,
  hostIds: readonly string[] | null,
): Promise<ReadonlyMap<string, Record<string, string[]>>> {
  const { rows } = await sql<{ host_id: string; id: string; anti_affinity: string }>`
    select t.host_id, t.id, t.anti_affinity from ${taken(hostIds)} t where t.anti_affinity is not null`.execute(
    db,
  );
  const groups = new Map<string, Record<string, string[]>>();
  for (const { host_id, id, anti_affinity } of rows) {
    const ofHost = groups.get(host_id) ?? {};
    groups.set(host_id, ofHost);
    if (!Object.hasOwn(ofHost, anti_affinity)) ofHost[anti_affinity] = [];
    ofHost[anti_affinity]?.push(id);
  }
  return groups;
}

export function roomOf(
  host: { readonly cpus: number | null; readonly memoryBytes: number | null },
  use: HostUse | undefined,
  { cpuOvercommit, memoryOvercommit }: PlacementOptions,
): Room | null {
  if (host.cpus === null || host.memoryBytes === null) return null;
  return {
    cpus: Math.floor(host.cpus * cpuOvercommit),
    memoryBytes: Math.floor(host.memoryBytes * memoryOvercommit),
    cpusUsed: use?.cpus ?? 0,
    memoryBytesUsed: use?.memoryBytes ?? 0,
  };
}

interface KeptDescription {
  readonly digest: string;
  readonly description: Host | null;
}

export class FleetReader {
  readonly #options: PlacementOptions;
  readonly #descriptions = new Map<string, KeptDescription>();

  constructor(options: PlacementOptions) {
    this.#options = options;
  }

  /** Every host, or those of these ids. */
  async read(
    database: Database,
    hostIds: readonly string[] | null = null,
  ): Promise<readonly PlacementHost[]> {
    if (hostIds?.length === 0) return [];
    const hosts = await database.run((db) => {
      const query = db
        .selectFrom('hosts')
        .select(['id', 'name', 'state', 'labels', 'cpus', 'memory_bytes'])
        .select(sql<string | null>`md5(description)`.as('digest'));
      return (hostIds === null ? query : query.where('id', 'in', [...hostIds])).execute();
    });
    const use = await database.run((db) => readUse(db, hostIds));
    const groups = await database.run((db) => readGroups(db, hostIds));
    await this.#readDescriptions(database, hosts);
    return hosts.map((host) => {
      const used = use.get(host.id);
      const memoryBytes = host.memory_bytes === null ? null : Number(host.memory_bytes);
      return {
        id: host.id,
        name: host.name,
        state: host.state as PlacementHost['state'],
        labels: host.labels,
        description: this.#descriptions.get(host.id)?.description ?? null,
        room: roomOf({ cpus: host.cpus, memoryBytes }, used, this.#options),
        guests: used?.guests ?? 0,
        groups: groups.get(host.id) ?? {},
      };
    });
  }

  async #readDescriptions(
    database: Database,
    hosts: readonly { readonly id: string; readonly digest: string | null }[],
  ): Promise<void> {
    const stale: string[] = [];
    for (const { id, digest } of hosts) {
      if (digest === null) this.#descriptions.delete(id);
      else if (this.#descriptions.get(id)?.digest !== digest) stale.push(id);
    }
    for (let at = 0; at < stale.length; at += BATCH) {
      const rows = await database.run((db) =>
        db
          .selectFrom('hosts')
          .select(['id', 'description'])
          .select(sql<string | null>`md5(description)`.as('digest'))
          .where('id', 'in', stale.slice(at, at + BATCH))
          .execute(),
      );
      for (const { id, description, digest } of rows) {
        if (description === null || digest === null) continue;
        this.#descriptions.set(id, { digest, description: readDescription(description) });
      }
    }
  }
}

/** Descriptions read at once. */
const BATCH = 200;

/** One that a later release wrote, and this one cannot read, is as good as none. */
function readDescription(stored: string): Host | null {
  try {
    return readHost(stored);
  } catch (thrown) {
    if (thrown instanceof DroverError) return null;
    throw thrown;
  }
}
