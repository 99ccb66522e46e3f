/** Chooses a host for an instance that is to be made, and promises the room there, in one transaction. */
import type { HostState, Placement } from '@drover/protocol';
import type { InstanceSpec } from '@drover/types';
import type { Transaction } from 'kysely';
import { controlPlaneErrors } from '../errors.js';
import { lockRoom, readDescription } from '../hosts/host-row.js';
import { hostUse } from '../hosts/host-view.js';
import type { Schema } from '../store/schema.js';
import { isUuid } from '../store/uuid.js';

export interface ToPlace {
  readonly id: string;
  readonly name: string;
  readonly spec: InstanceSpec;
  readonly placement: Placement;
}

/** Errors: `no-host-fits`, which says why of each host; `host-not-found` is part of that. Returns the host's id. */
export async function placeInstance(transaction: Transaction<Schema>, wish: ToPlace): Promise<string> {
  const hostId = await chooseLocked(transaction, wish);
  await transaction
    .insertInto('reservations')
    .values({
      id: wish.id,
      instance_id: wish.id,
      host_id: hostId,
      cpus: wish.spec.cpus,
      memory_bytes: wish.spec.memoryMiB * 1024 * 1024,
      created_at: new Date(),
    })
    .execute();
  return hostId;
}

/** Tries so often where others take the room that was just seen. */
const TRIES = 5;

/** Whoever promises room on a host holds its row, so that no two take the same room. */
async function chooseLocked(transaction: Transaction<Schema>, wish: ToPlace): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    const hostId = await choose(transaction, wish);
    await lockRoom(transaction, hostId);
    try {
      return await choose(transaction, { ...wish, placement: { ...wish.placement, host: hostId } });
    } catch (thrown) {
      if (tries === TRIES) throw thrown;
    }
  }
}

async function choose(
  transaction: Transaction<Schema>,
  { id, name, spec, placement }: ToPlace,
): Promise<string> {
  const pinned = placement.host;
  let query = transaction.selectFrom('hosts').selectAll();
  if (pinned !== null) query = query.where(isUuid(pinned) ? 'id' : 'name', '=', pinned);
  const hosts = await query.orderBy('name').execute();
  const use = await hostUse(transaction, pinned === null ? null : hosts.map((host) => host.id));
  const apart =
    placement.antiAffinity === null
      ? new Set<string>()
      : await groupHosts(transaction, placement.antiAffinity, id);
  const refused: string[] = [];
  let best: { id: string; used: number } | null = null;
  for (const host of hosts) {
    const taken = use.get(host.id);
    const cpus = (taken?.cpus ?? 0) + spec.cpus;
    const memory = (taken?.memoryBytes ?? 0) + spec.memoryMiB * 1024 * 1024;
    const why = whyNot();
    if (why !== null) {
      refused.push(`${host.name} ${why}`);
      continue;
    }
    const used = Math.max(
      host.cpus === null ? 1 : cpus / host.cpus,
      host.memory_bytes === null ? 1 : memory / Number(host.memory_bytes),
    );
    const better = best === null || (placement.strategy === 'spread' ? used < best.used : used > best.used);
    if (better) best = { id: host.id, used };

    function whyNot(): string | null {
      if ((host.state as HostState) !== 'active') return `is ${host.state}`;
      const missing = Object.entries(placement.labels).filter(([key, value]) => host.labels[key] !== value);
      if (missing.length > 0) return `lacks the label ${missing.map((label) => label.join('=')).join(', ')}`;
      if (apart.has(host.id)) return `has another instance of the group ${placement.antiAffinity}`;
      const description = readDescription(host.description);
      if (description === null) return 'has not yet said what it can run';
      const driver = description.drivers.find((each) => each.name === spec.vmm);
      if (!driver || driver.unusable !== null) return `has no usable driver ${spec.vmm}`;
      if (host.cpus !== null && cpus > host.cpus) return 'has too few processors left';
      if (host.memory_bytes !== null && memory > Number(host.memory_bytes))
        return 'has too little memory left';
      return null;
    }
  }
  if (best) return best.id;
  const reasons =
    refused.slice(0, 5).join('; ') + (refused.length > 5 ? `; and ${refused.length - 5} more` : '');
  const none = pinned === null ? 'no host is registered' : `no host ${pinned} is registered`;
  throw controlPlaneErrors.error(
    'no-host-fits',
    `No host fits instance ${name}: ${reasons || none}; make room, or change its placement.`,
  );
}

async function groupHosts(
  transaction: Transaction<Schema>,
  group: string,
  exceptId: string,
): Promise<Set<string>> {
  const there = await transaction
    .selectFrom('instances')
    .innerJoin('vmms', 'vmms.instance_id', 'instances.id')
    .select('vmms.host_id')
    .where('instances.anti_affinity', '=', group)
    .where('instances.id', '!=', exceptId)
    .where('vmms.ended_at', 'is', null)
    .execute();
  const promised = await transaction
    .selectFrom('instances')
    .innerJoin('reservations', 'reservations.instance_id', 'instances.id')
    .select('reservations.host_id')
    .where('instances.anti_affinity', '=', group)
    .where('instances.id', '!=', exceptId)
    .execute();
  return new Set([...there, ...promised].map(({ host_id }) => host_id));
}
