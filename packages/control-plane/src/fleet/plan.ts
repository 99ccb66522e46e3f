/**
 * In which order hosts are drained for an upgrade, by moving the guests about in a model of the fleet: pure but for letting others
 * run between two steps. Nothing is promised by it: it says what placement would choose if everything else stayed as it is.
 *
 * Hosts with the fewest guests come first, so that there is an upgraded host with room as early as can be. A host whose guests do not all find
 * a place is put off once, to when others have been emptied; where that does not help, the plan says for each guest why.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { FleetPlan } from '@drover/protocol';
import { bestCandidate, refusals } from '../placement/candidates.js';
import { type PlacementHost, type PlacementWish, withGuest } from '../placement/fleet.js';
import type { Finding } from '../preflight/finding.js';

/** An instance and where it is. */
export interface PlannedGuest {
  readonly wish: PlacementWish;
  readonly hostId: string;
}

export interface FleetPlanRequest {
  readonly width: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Hosts of this release are left out; null for none. */
  readonly release: string | null;
}

/** What speaks against moving a guest between two hosts, beside what placement knows. */
export type GuestJudge = (guest: PlacementWish, from: PlacementHost, to: PlacementHost) => readonly Finding[];

type Step = FleetPlan['steps'][number];
type Move = Step['moves'][number];

export async function planFleet(
  hosts: readonly PlacementHost[],
  guests: readonly PlannedGuest[],
  request: FleetPlanRequest,
  judge: GuestJudge,
  signal?: AbortSignal,
): Promise<FleetPlan> {
  const fleet = new Fleet(hosts, guests, judge);
  const { chosen, notes } = choose(hosts, request, fleet);
  const steps: Step[] = [];
  let waiting = chosen;
  let putOff: PlacementHost[] = [];
  let last = false;
  while (waiting.length > 0) {
    signal?.throwIfAborted();
    await turn();
    const together = waiting.slice(0, request.width);
    waiting = waiting.slice(request.width);
    const { moves, undo } = fleet.drain(together.map(({ id }) => id));
    const stuck = new Set(moves.filter(({ to }) => to === null).map(({ from }) => from));
    if (stuck.size > 0 && !last) {
      // Tried again at the end; those of the same step that can go now go now.
      undo();
      putOff.push(...together.filter(({ name }) => stuck.has(name)));
      waiting = [...together.filter(({ name }) => !stuck.has(name)), ...waiting];
    } else {
      steps.push({ hosts: together.map((host) => fleet.describe(host, moves)), moves });
    }
    if (waiting.length === 0 && !last) {
      [waiting, putOff, last] = [putOff, [], true];
    }
  }
  const moves = steps.flatMap((step) => step.moves);
  if (moves.length > 0) {
    const moved = new Set(moves.map(({ instanceId }) => instanceId)).size;
    notes.push(`${moves.length} moves of ${moved} instances, over ${steps.length} steps.`);
  }
  return { steps, possible: moves.every(({ to }) => to !== null), notes };
}

/** The hosts to upgrade, in order, and what is left out. */
function choose(
  hosts: readonly PlacementHost[],
  { labels, release }: FleetPlanRequest,
  fleet: Fleet,
): { chosen: PlacementHost[]; notes: string[] } {
  const notes: string[] = [];
  const labelled = hosts.filter((host) =>
    Object.entries(labels).every(
      ([key, value]) => Object.hasOwn(host.labels, key) && host.labels[key] === value,
    ),
  );
  const silent = labelled.filter(({ state }) => state === 'unreachable' || state === 'lost');
  if (silent.length > 0) {
    notes.push(`Left out, because their agents do not answer: ${silent.map(({ name }) => name).join(', ')}.`);
  }
  const there = labelled.filter((host) => !silent.includes(host));
  const current = there.filter((host) => release !== null && host.description?.release === release);
  if (current.length > 0) notes.push(`${current.length} hosts run release ${release} already.`);
  const chosen = there
    .filter((host) => !current.includes(host))
    .toSorted((a, b) => fleet.count(a.id) - fleet.count(b.id) || (a.name < b.name ? -1 : 1));
  return { chosen, notes };
}

/** The fleet as it would be. A host that was drained takes guests again: it is upgraded then. */
class Fleet {
  readonly #hosts: Map<string, PlacementHost>;
  readonly #guests = new Map<string, Map<string, PlacementWish>>();
  readonly #judge: GuestJudge;

  constructor(hosts: readonly PlacementHost[], guests: readonly PlannedGuest[], judge: GuestJudge) {
    this.#hosts = new Map(hosts.map((host) => [host.id, host]));
    this.#judge = judge;
    for (const { wish, hostId } of guests) this.#on(hostId).set(wish.instanceId, wish);
  }

  count(hostId: string): number {
    return this.#on(hostId).size;
  }

  describe({ id, name, description }: PlacementHost, moves: readonly Move[]): Step['hosts'][number] {
    const vmms = moves.filter(({ from }) => from === name).length;
    return { id, name, release: description?.release ?? null, vmms };
  }

  /** Places every guest of these hosts elsewhere, the largest first. `undo` puts them all back. */
  drain(ids: readonly string[]): { moves: Move[]; undo: () => void } {
    const before = new Map(ids.map((id) => [id, this.#hosts.get(id)]));
    const undo: (() => void)[] = [];
    for (const [id, host] of before) if (host) this.#hosts.set(id, { ...host, state: 'draining' });
    const moves: Move[] = [];
    for (const id of ids) {
      const wishes = [...this.#on(id).values()].toSorted((a, b) => b.memoryBytes - a.memoryBytes);
      for (const wish of wishes) moves.push(this.#move({ ...wish, notOn: id }, id, undo));
    }
    for (const [id, host] of before) {
      const emptied = this.#hosts.get(id);
      if (host && emptied) this.#hosts.set(id, { ...emptied, state: 'active' });
    }
    return {
      moves,
      undo: () => {
        for (const step of undo.toReversed()) step();
        for (const [id, host] of before) if (host) this.#hosts.set(id, host);
      },
    };
  }

  #move(wish: PlacementWish, from: string, undo: (() => void)[]): Move {
    const source = this.#hosts.get(from);
    const move = { instanceId: wish.instanceId, instanceName: wish.name, from: source?.name ?? from };
    if (source === undefined) return { ...move, to: null, problem: 'Its host is not in the fleet.' };
    const found = bestCandidate(wish, this.#hosts.values(), (host) => this.#judge(wish, source, host));
    if (found === null) return { ...move, to: null, problem: this.#problem(wish, source) };
    undo.push(() => {
      this.#hosts.set(from, source);
      this.#hosts.set(found.id, found);
      this.#on(found.id).delete(wish.instanceId);
      this.#on(from).set(wish.instanceId, wish);
    });
    this.#hosts.set(from, withGuest(source, wish, 'removed'));
    this.#hosts.set(found.id, withGuest(found, wish, 'added'));
    this.#on(from).delete(wish.instanceId);
    this.#on(found.id).set(wish.instanceId, wish);
    return { ...move, to: found.name, problem: null };
  }

  /** The reasons of a few hosts, each once. */
  #problem(wish: PlacementWish, source: PlacementHost): string {
    const others = [...this.#hosts.values()].filter(({ id }) => id !== source.id);
    if (others.length === 0) return 'There is no other host.';
    const reasons = others.slice(0, SHOWN).flatMap((host) => {
      const [first] = [...refusals(wish, host), ...this.#judge(wish, source, host)];
      return first?.severity === 'refused' ? [first.sentence] : [];
    });
    const more = others.length - SHOWN;
    return [...reasons, ...(more > 0 ? [`And ${more} more hosts.`] : [])].join(' ');
  }

  #on(hostId: string): Map<string, PlacementWish> {
    const there = this.#guests.get(hostId) ?? new Map<string, PlacementWish>();
    this.#guests.set(hostId, there);
    return there;
  }
}

/** Hosts whose reasons stand in a problem. */
const SHOWN = 5;
