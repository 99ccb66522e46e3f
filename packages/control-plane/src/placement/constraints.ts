/**
 * What speaks against a host, one function for each reason. Their order is the order in which people are told.
 *
 * | constraint | code |
 * | --- | --- |
 * | it is not the host that the guest leaves | already-on-host |
 * | it takes guests | host-takes-no-guests |
 * | it has the labels asked for | host-labels-differ |
 * | no other instance of the group is there | anti-affinity-kept |
 * | its agent has described it, and has a usable driver for the VMM | host-not-described, vmm-kind-unsupported |
 * | it has room | host-full |
 *
 * Versions, machine types and processors are compared where a source is known: `preflight/compare-guest.ts`.
 */
import { formatBytes } from '@drover/types';
import { type Finding, refuse } from '../preflight/finding.js';
import { groupOn, type PlacementHost, type PlacementWish, type Room } from './fleet.js';

export type Constraint = (wish: PlacementWish, host: PlacementHost) => Finding | null;

export const constraints: readonly Constraint[] = [
  isElsewhere,
  takesGuests,
  hasLabels,
  keepsApart,
  hasDriver,
  hasRoom,
];

/** The two constraints that may change between choosing a host and reserving room there. `host` undefined: it was forgotten. */
export function findRoom(
  wish: Pick<PlacementWish, 'name' | 'cpus' | 'memoryBytes'>,
  host: { readonly name: string; readonly state: string; readonly room: Room | null } | undefined,
): Finding | null {
  if (host === undefined) {
    return refuse('host-takes-no-guests', 'The host is no longer in the fleet.', 'Choose another host.');
  }
  return (
    takesGuests(wish, { name: host.name, state: host.state as PlacementHost['state'] }) ?? hasRoom(wish, host)
  );
}

function isElsewhere(wish: PlacementWish, host: PlacementHost): Finding | null {
  if (wish.notOn !== host.id) return null;
  return refuse(
    'already-on-host',
    `Instance ${wish.name} is on host ${host.name} already.`,
    'Name another host, or none to have one chosen.',
  );
}

function takesGuests(
  _wish: Pick<PlacementWish, 'name'>,
  host: Pick<PlacementHost, 'name' | 'state'>,
): Finding | null {
  if (host.state === 'active') return null;
  const remedy = {
    draining: 'Undrain it, or choose another host.',
    maintenance: 'Undrain it, or choose another host.',
    unreachable: 'Bring its agent back, or choose another host.',
    lost: 'Choose another host.',
  }[host.state];
  return refuse('host-takes-no-guests', `Host ${host.name} is ${host.state} and takes no guests.`, remedy);
}

function hasLabels(wish: PlacementWish, host: PlacementHost): Finding | null {
  const missing = Object.entries(wish.labels).filter(
    ([key, value]) => !Object.hasOwn(host.labels, key) || host.labels[key] !== value,
  );
  if (missing.length === 0) return null;
  return refuse(
    'host-labels-differ',
    `Host ${host.name} does not have ${missing.map(([key, value]) => `${key}=${value}`).join(', ')}, which instance ${wish.name} must have.`,
    'Label the host, or choose one that has them.',
  );
}

export function keepsApart(
  wish: Pick<PlacementWish, 'name' | 'instanceId' | 'antiAffinity'>,
  host: Pick<PlacementHost, 'name' | 'groups'>,
): Finding | null {
  if (wish.antiAffinity === null) return null;
  const others = groupOn(host, wish.antiAffinity).filter((id) => id !== wish.instanceId);
  if (others.length === 0) return null;
  return refuse(
    'anti-affinity-kept',
    `Host ${host.name} has another instance of the group ${wish.antiAffinity}, which instance ${wish.name} is kept apart from.`,
    'Choose a host without one, or move the other away first.',
  );
}

function hasDriver(wish: PlacementWish, host: PlacementHost): Finding | null {
  if (host.description === null) {
    return refuse(
      'host-not-described',
      `The agent of host ${host.name} has not yet said what it can run.`,
      'Try again once it has answered.',
    );
  }
  const driver = host.description.drivers.find(({ name }) => name === wish.spec.vmm);
  if (driver && driver.unusable === null) return null;
  const why = driver?.unusable ?? `its release ${host.description.release} has none`;
  return refuse(
    'vmm-kind-unsupported',
    `Host ${host.name} has no usable driver ${wish.spec.vmm}: ${why}`.replace(/\.?$/, '.'),
    `Run drover doctor on ${host.name} and do what it names, or choose another host.`,
  );
}

function hasRoom(
  wish: Pick<PlacementWish, 'cpus' | 'memoryBytes'>,
  { name, room }: { readonly name: string; readonly room: Room | null },
): Finding | null {
  if (room === null) return null;
  const memoryLeft = room.memoryBytes - room.memoryBytesUsed;
  const cpusLeft = room.cpus - room.cpusUsed;
  const lacks = [
    ...(wish.memoryBytes > memoryLeft
      ? [
          `${formatBytes(Math.max(0, memoryLeft))} of memory left and ${formatBytes(wish.memoryBytes)} are needed`,
        ]
      : []),
    ...(wish.cpus > cpusLeft
      ? [`${Math.max(0, cpusLeft)} virtual processors left and ${wish.cpus} are needed`]
      : []),
  ];
  if (lacks.length === 0) return null;
  return refuse(
    'host-full',
    `Host ${name} has ${lacks.join('; ')}.`,
    'Make room there, choose a larger host, or let the control plane choose.',
  );
}
