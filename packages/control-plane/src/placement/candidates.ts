/**
 * Where an instance may be, said from what is known of the fleet: pure, and the same for creating an instance, for a migration's
 * choice of destination, for a drain and for the plan of an upgrade.
 *
 * A host is a candidate where no constraint speaks against it, and every constraint that does is named, so that "no host fits" is
 * never the whole answer. Candidates are ranked by the strategy; the rank is total, so two replicas choose alike.
 */
import { type Finding, movesWith } from '../preflight/finding.js';
import { constraints } from './constraints.js';
import type { PlacementHost, PlacementWish } from './fleet.js';

export interface Candidates {
  /** Hosts that fit, best first. */
  readonly fitting: readonly PlacementHost[];
  /** Why each of the others does not. */
  readonly refused: readonly { readonly host: PlacementHost; readonly findings: readonly Finding[] }[];
}

/** What speaks against one host, in the order of the constraints; empty where it fits. */
export function refusals(wish: PlacementWish, host: PlacementHost): readonly Finding[] {
  return constraints.flatMap((constraint) => constraint(wish, host) ?? []);
}

/** Every host judged, and those that fit ranked. */
export function findCandidates(wish: PlacementWish, hosts: readonly PlacementHost[]): Candidates {
  const fitting: PlacementHost[] = [];
  const refused: { host: PlacementHost; findings: readonly Finding[] }[] = [];
  for (const host of hosts) {
    const findings = refusals(wish, host);
    if (findings.length === 0) fitting.push(host);
    else refused.push({ host, findings });
  }
  return { fitting: fitting.toSorted((a, b) => compareHosts(wish, a, b)), refused };
}

/**
 * The first of {@link findCandidates} that nothing else speaks `against`, which is asked of no more hosts than it takes; null where none fits.
 */
export function bestCandidate(
  wish: PlacementWish,
  hosts: Iterable<PlacementHost>,
  against: (host: PlacementHost) => readonly Finding[] = () => [],
): PlacementHost | null {
  const open = new Set<PlacementHost>();
  for (const host of hosts) {
    if (constraints.every((constraint) => constraint(wish, host) === null)) open.add(host);
  }
  while (open.size > 0) {
    let best: PlacementHost | null = null;
    for (const host of open) {
      if (best === null || compareHosts(wish, host, best) < 0) best = host;
    }
    if (best === null) return null;
    if (movesWith(against(best))) return best;
    open.delete(best);
  }
  return null;
}

/**
 * `spread` takes the host that would be used least, `pack` the one that would be used most, by the scarcer of memory and
 * processors; of two alike the one with fewer guests (spread) or more (pack), then by name. A host that does not say how large it is comes last.
 */
function compareHosts(wish: PlacementWish, a: PlacementHost, b: PlacementHost): number {
  const sign = wish.strategy === 'spread' ? 1 : -1;
  const [usedA, usedB] = [usedShare(wish, a), usedShare(wish, b)];
  if ((usedA === null) !== (usedB === null)) return usedA === null ? 1 : -1;
  if (usedA !== null && usedB !== null && usedA !== usedB) return sign * (usedA - usedB);
  if (a.guests !== b.guests) return sign * (a.guests - b.guests);
  return a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1;
}

/** The part of the host in use once the instance is there, 0 to 1; null where the host does not say its size. */
function usedShare(wish: PlacementWish, { room }: PlacementHost): number | null {
  if (room === null) return null;
  const memory = (room.memoryBytesUsed + wish.memoryBytes) / room.memoryBytes;
  const cpus = (room.cpusUsed + wish.cpus) / room.cpus;
  return Math.max(memory, cpus);
}
