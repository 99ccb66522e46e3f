/**
 * What a migration of an instance would meet, on one host or on many. `POST /preflights` and the first step of every migration come
 * here, so that they cannot disagree.
 *
 * In this order: what placement knows of the host; what the two hosts' descriptions say of this guest; what the source's agent says of
 * its leaving; what the destination's agent says of its coming. Agents are asked only where nothing before refuses. An agent that does not answer
 * is a refusal of its own, `host-unreachable`: nothing is concluded of the guest.
 */
import type { Preflight } from '@drover/protocol';
import {
  type Component,
  type ErrorBody,
  type InstanceSpec,
  readInstanceSpec,
  type VmmState,
  writeInstanceSpec,
} from '@drover/types';
import type { AgentDirectory } from '../migrations/agents.js';
import type { MigrationOptions } from '../migrations/options.js';
import { placeFor } from '../migrations/turns.js';
import { findCandidates } from '../placement/candidates.js';
import { type PlacementHost, type PlacementWish, wishOf } from '../placement/fleet.js';
import type { FleetReader } from '../placement/read-fleet.js';
import type { Database } from '../store/database.js';
import { alone, askArrival, askDeparture } from './ask-agents.js';
import { compareGuest } from './compare-guest.js';
import { type Finding, gather, movesWith, note, refusalOf, refuse } from './finding.js';

export interface PreflightRequest {
  readonly instanceId: string;
  readonly backends: Readonly<Record<string, Component>>;
  /** The migration that asks, which then does not stand in its own way; null for a preflight alone. */
  readonly migrationId: string | null;
  readonly signal: AbortSignal;
}

export interface HostFindings {
  readonly host: PlacementHost;
  readonly findings: readonly Finding[];
}

export type Destinations =
  | { readonly kind: 'passed'; readonly hostIds: readonly string[] }
  /** An agent did not answer; trying again may help. */
  | { readonly kind: 'silent'; readonly error: ErrorBody }
  | { readonly kind: 'refused'; readonly findings: readonly Finding[] };

/** Hosts that a migration's first step wants to have passed, and hosts that it judges for that, at most. */
const WANTED = 3;
const JUDGED = 12;
/** Hosts whose agents are asked at once for one request. */
const AT_ONCE = 4;

/** An instance and where it runs. */
interface Guest {
  readonly id: string;
  readonly spec: InstanceSpec;
  readonly wish: PlacementWish;
  readonly source: PlacementHost | null;
  readonly vmm: VmmState | null;
  readonly migrationId: string | null;
}

export class Preflights {
  readonly #database: Database;
  readonly #fleet: FleetReader;
  readonly #agents: AgentDirectory;
  readonly #options: MigrationOptions;

  constructor(database: Database, fleet: FleetReader, agents: AgentDirectory, options: MigrationOptions) {
    this.#database = database;
    this.#fleet = fleet;
    this.#agents = agents;
    this.#options = options;
  }

  /** Judges these hosts; null: every one that takes guests. By name. */
  async judge(
    request: PreflightRequest,
    hostIds: readonly string[] | null,
  ): Promise<readonly HostFindings[]> {
    const guest = await this.#guest(request.instanceId);
    const hosts = await this.#fleet.read(this.#database, hostIds);
    const judged = hosts
      .filter((host) => hostIds !== null || (host.state === 'active' && host.id !== guest.source?.id))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const leaving = await this.#leaving(guest, request);
    return inBatches(judged, async (host) => {
      const { findings } = await this.#judgeOne(guest, host, leaving, request);
      return { host, findings: [...findings, ...(await this.#turn(guest, host, findings))] };
    });
  }

  /** Where a migration goes: the host asked for, or the best by placement. */
  async chooseDestinations(
    request: PreflightRequest & { readonly wanted: string | null },
  ): Promise<Destinations> {
    const guest = await this.#guest(request.instanceId);
    const leaving = await this.#leaving(guest, request);
    if (!movesWith(leaving.findings)) return refusedOrSilent(leaving.findings);
    const hosts = await this.#fleet.read(this.#database, request.wanted === null ? null : [request.wanted]);
    if (request.wanted !== null) {
      const [host] = hosts;
      if (host === undefined) {
        return {
          kind: 'refused',
          findings: [
            refuse('host-takes-no-guests', 'The destination is no longer in the fleet.', 'Choose another.'),
          ],
        };
      }
      const { findings } = await this.#judgeOne(guest, host, leaving, request);
      return movesWith(findings) ? { kind: 'passed', hostIds: [host.id] } : refusedOrSilent(findings);
    }
    const { fitting, refused } = findCandidates(guest.wish, hosts);
    const passed: string[] = [];
    const against: HostFindings[] = [...refused];
    for (let at = 0; at < Math.min(fitting.length, JUDGED) && passed.length < WANTED; at += AT_ONCE) {
      const results = await Promise.all(
        fitting.slice(at, at + AT_ONCE).map((host) => this.#judgeOne(guest, host, leaving, request)),
      );
      for (const result of results) {
        if (movesWith(result.findings)) passed.push(result.host.id);
        else against.push(result);
      }
    }
    if (passed.length > 0) return { kind: 'passed', hostIds: passed.slice(0, WANTED) };
    return refusedOrSilent([noHostFits(guest, against)]);
  }

  async #guest(instanceId: string): Promise<Guest> {
    const row = await this.#database.run((db) =>
      db
        .selectFrom('instances')
        .leftJoin('vmms', 'vmms.id', 'instances.vmm_id')
        .select([
          'instances.id',
          'instances.spec',
          'instances.placement',
          'instances.migration_id',
          'vmms.host_id',
          'vmms.state',
        ])
        .where('instances.id', '=', instanceId)
        .executeTakeFirst(),
    );
    if (row === undefined) throw new Error(`there is no instance ${instanceId}`);
    const spec = readInstanceSpec(row.spec);
    const [source = null] = row.host_id === null ? [] : await this.#fleet.read(this.#database, [row.host_id]);
    return {
      id: row.id,
      spec,
      wish: wishOf({ id: row.id, spec, placement: JSON.parse(row.placement) }, source?.id ?? null),
      source,
      vmm: row.state === null ? null : (JSON.parse(row.state) as VmmState),
      migrationId: row.migration_id,
    };
  }

  /** What keeps the guest from leaving at all, and what it was promised of its processors. */
  async #leaving(guest: Guest, { migrationId, signal }: PreflightRequest): Promise<Preflight> {
    const { source, vmm, spec } = guest;
    if (source === null || vmm === null) {
      return alone(
        refuse(
          'instance-not-placed',
          `Instance ${spec.name} is on no host, so there is nothing to move.`,
          'Start it, and ask again once it runs.',
        ),
      );
    }
    if (guest.migrationId !== null && guest.migrationId !== migrationId) {
      return alone(
        refuse(
          'migration-under-way',
          `Instance ${spec.name} is being moved already, by migration ${guest.migrationId}.`,
          'Wait for that one, or cancel it.',
        ),
      );
    }
    return askDeparture(this.#agents, source, vmm, signal);
  }

  async #judgeOne(
    guest: Guest,
    host: PlacementHost,
    leaving: Preflight,
    { backends, signal }: PreflightRequest,
  ): Promise<HostFindings> {
    const { spec, vmm, source } = guest;
    const [refused] = findCandidates(guest.wish, [host]).refused;
    const concluded = [...(refused?.findings ?? [])];
    if (source?.description && host.description) {
      concluded.push(
        ...compareGuest({ spec, vmm, source: source.description, destination: host.description }),
      );
    }
    const known = gather(concluded, leaving.findings);
    if (!movesWith(known)) return { host, findings: known };
    const accepted = host.description?.compatibility.instanceSpec;
    const coming = await askArrival(
      this.#agents,
      host,
      {
        role: 'destination',
        instanceId: guest.id,
        spec: writeInstanceSpec(spec, accepted, host.name),
        backends: { ...backends },
        machineType: vmm?.machineType ?? null,
        vmmVersion: vmm?.vmmVersion ?? null,
        accelerator: vmm?.accelerator ?? null,
        cpu: leaving.cpu,
      },
      signal,
    );
    return { host, findings: gather(concluded, [...leaving.findings, ...coming.findings]) };
  }

  /** Whether one that could move would have to wait for others. */
  async #turn(
    { source, migrationId }: Guest,
    host: PlacementHost,
    findings: readonly Finding[],
  ): Promise<readonly Finding[]> {
    if (source === null || !movesWith(findings)) return [];
    const place = await this.#database.run((db) =>
      placeFor(db, { id: migrationId, sourceId: source.id }, host.id, this.#options),
    );
    if (place !== 'none-left') return [];
    return [
      note(
        'migration-waits-its-turn',
        `As many guests are on their way as the limits allow, between ${source.name} and ${host.name} or over the fleet; this one would wait until one of them has arrived.`,
        'Nothing; or raise the limits of migrations in the configuration of the control plane.',
      ),
    ];
  }
}

function refusedOrSilent(findings: readonly Finding[]): Destinations {
  const refused = findings.filter(({ severity }) => severity === 'refused');
  const error = refusalOf(findings);
  if (error !== null && refused.every(({ code }) => code === 'host-unreachable')) {
    return { kind: 'silent', error };
  }
  return { kind: 'refused', findings };
}

/** Hosts whose reasons are told one by one. */
const TOLD = 5;

function noHostFits({ spec }: Guest, against: readonly HostFindings[]): Finding {
  if (against.length === 0) {
    return refuse('no-host-fits', `There is no host for instance ${spec.name}.`, 'Register one.');
  }
  const reasons = against
    .slice(0, TOLD)
    .map(({ findings }) => findings.find(({ severity }) => severity === 'refused')?.sentence);
  const more = against.length - TOLD;
  return refuse(
    'no-host-fits',
    `No host can take instance ${spec.name}: ${reasons.join(' ')}${more > 0 ? ` And ${more} more.` : ''}`,
    'Make room, or change what the instance asks for.',
  );
}

async function inBatches<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))));
  }
  return results;
}
