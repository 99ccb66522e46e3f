/** The fleet as placement sees it: plain data, so that a plan can move guests about in it without touching anything. */
import type { HostState } from '@drover/protocol';
import type { Host, InstanceSpec } from '@drover/types';

/** What a host has for guests, and what is taken of it. */
export interface Room {
  /** Virtual processors that guests may have: the host's, times what the operator lets them be shared. */
  readonly cpus: number;
  /** Bytes that guests may have. */
  readonly memoryBytes: number;
  /** Taken by the guests that are there and by those that are promised room. */
  readonly cpusUsed: number;
  readonly memoryBytesUsed: number;
}

export interface PlacementHost {
  readonly id: string;
  readonly name: string;
  readonly state: HostState;
  readonly labels: Readonly<Record<string, string>>;
  /** Null before its agent answered. */
  readonly description: Host | null;
  /** Null where the host does not say how large it is; then nothing is too large for it. */
  readonly room: Room | null;
  /** Instances that are there or promised room. */
  readonly guests: number;
  /** Instances of anti-affinity groups that are there or promised room: group to ids. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
}

/** What is to be placed. */
export interface PlacementWish {
  readonly instanceId: string;
  readonly name: string;
  readonly spec: InstanceSpec;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Labels that the host must have. */
  readonly labels: Readonly<Record<string, string>>;
  readonly antiAffinity: string | null;
  readonly strategy: 'spread' | 'pack';
  /** Where it must not be: the host that it leaves. */
  readonly notOn: string | null;
}

const MIB = 1 << 20;

/**
 * The wish of an instance. `placement.host` says where an instance is made and nothing later: a migration goes where it is told to, or where
 * the other constraints let it.
 */
export function wishOf(
  instance: {
    readonly id: string;
    readonly spec: InstanceSpec;
    readonly placement: {
      readonly labels: Readonly<Record<string, string>>;
      readonly antiAffinity: string | null;
      readonly strategy: 'spread' | 'pack';
    };
  },
  notOn: string | null = null,
): PlacementWish {
  const { id, spec, placement } = instance;
  return {
    instanceId: id,
    name: spec.name,
    spec,
    cpus: spec.cpus,
    memoryBytes: spec.memoryMiB * MIB,
    labels: placement.labels,
    antiAffinity: placement.antiAffinity,
    strategy: placement.strategy,
    notOn,
  };
}

/** The host as it is once the guest is there as well, or gone from it. */
export function withGuest(
  host: PlacementHost,
  wish: PlacementWish,
  change: 'added' | 'removed',
): PlacementHost {
  const sign = change === 'added' ? 1 : -1;
  const { room } = host;
  return {
    ...host,
    guests: host.guests + sign,
    room: room && {
      ...room,
      cpusUsed: room.cpusUsed + sign * wish.cpus,
      memoryBytesUsed: room.memoryBytesUsed + sign * wish.memoryBytes,
    },
    groups:
      wish.antiAffinity === null ? host.groups : withMember(host, wish.antiAffinity, wish.instanceId, change),
  };
}

function withMember(
  host: PlacementHost,
  group: string,
  instanceId: string,
  change: 'added' | 'removed',
): PlacementHost['groups'] {
  const others = groupOn(host, group).filter((id) => id !== instanceId);
  return { ...host.groups, [group]: change === 'added' ? [...others, instanceId] : others };
}

/** The instances of a group on a host; `hasOwn`, because a group may be called "constructor". */
export function groupOn(host: Pick<PlacementHost, 'groups'>, group: string): readonly string[] {
  return Object.hasOwn(host.groups, group) ? (host.groups[group] ?? []) : [];
}
