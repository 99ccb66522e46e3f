/**
 * Agents as a model: their journals, VMMs and migrations in memory, moved on by being looked at. They keep the rules of the handover, so
 * that what a saga does to them can be judged: who ran when, what was begun how often.
 */
import { randomUUID } from 'node:crypto';
import type { MigrationViewV3, OwnershipV3, PreflightFinding, VmmViewV3 } from '@drover/protocol';
import { DroverError, type Host, type VmmState } from '@drover/types';
import type { StartMigrationBody } from '../../src/hosts/agent.js';
import type { AgentDirectory, SagaAgent } from '../../src/migrations/agents.js';
import { description } from './fleet.js';

/** How a migration goes at its agents. */
export interface Script {
  /** Ends at the source before the handover, with this error. */
  readonly fails?: { readonly code: string; readonly retryable: boolean };
  /** The source hangs behind the handover until the destination is asked for; for doubt. */
  readonly sourceSilentAfterHandover?: boolean;
  /** The first request to begin is carried out and its answer lost. */
  readonly startAnswerLost?: boolean;
  /** Looks that the rounds take. */
  readonly rounds?: number;
  /** What a preflight finds at the source. */
  readonly blockers?: readonly PreflightFinding[];
}

interface Vmm {
  readonly state: VmmState;
  readonly ended: VmmViewV3['ended'];
}

type Journal = NonNullable<OwnershipV3['source']>['state'];

interface Migration {
  view: MigrationViewV3;
  journal: Journal | null;
  readonly other: string;
  looks: number;
}

export class ModelHost {
  readonly id: string;
  readonly name: string;
  readonly peer: { readonly host: string; readonly port: number };
  readonly vmms = new Map<string, Vmm>();
  readonly migrations = new Map<string, Migration>();
  /** Nobody gets an answer. */
  silent = false;
  /** Too old to be told an id, to list its journal and to be asked for a preflight. */
  old = false;

  constructor(id: string, name: string, port: number) {
    this.id = id;
    this.name = name;
    this.peer = { host: '127.0.0.1', port };
  }
}

export class ModelFleet implements AgentDirectory {
  readonly hosts = new Map<string, ModelHost>();
  readonly scripts = new Map<string, Script>();
  /** Every migration that truly began, in order: its id and instance. */
  readonly begun: { readonly id: string; readonly instanceId: string }[] = [];
  /** Requests to begin that were answered. */
  readonly requests: StartMigrationBody[] = [];
  readonly #lost = new Set<string>();
  /** Broken rules, as sentences. */
  readonly violations: string[] = [];

  addHost(name: string): ModelHost {
    const host = new ModelHost(randomUUID(), name, 7_000 + this.hosts.size);
    this.hosts.set(host.id, host);
    return host;
  }

  /** A running guest on a host. */
  addGuest(host: ModelHost, instanceId: string): VmmState {
    const state = vmmState({ vmmId: randomUUID(), instanceId, epoch: '1', life: 'running' });
    host.vmms.set(state.vmmId, { state, ended: null });
    return state;
  }

  async agentOf(hostId: string): Promise<SagaAgent | null> {
    const host = this.hosts.get(hostId);
    return host ? this.#agent(host) : null;
  }

  /** Hosts on which the instance executes guest code: never more than one (R1). */
  runners(instanceId: string): string[] {
    return [...this.hosts.values()].flatMap((host) =>
      [...host.vmms.values()]
        .filter(({ state }) => state.instanceId === instanceId && RUNS.has(state.life))
        .map(() => host.name),
    );
  }

  /** Goes on by itself, without being looked at, until everything has ended. */
  settle(): void {
    for (let turn = 0; turn < 100; turn++) {
      for (const host of this.hosts.values()) {
        for (const migration of host.migrations.values()) {
          if (migration.view.role === 'source') this.#advance(host, migration);
        }
      }
    }
  }

  #agent(host: ModelHost): SagaAgent {
    const reached = <T>(answer: () => T): Promise<T> =>
      host.silent
        ? Promise.reject(error('agent-unreachable', 503, true, `No agent answers at ${host.name}.`))
        : Promise.resolve().then(answer);
    return {
      getHost: () => reached(() => this.describe(host)),
      listVmms: () => reached(() => [...host.vmms.values()].map((vmm) => view(vmm))),
      checkPreflight: (body) =>
        reached(() => {
          if (host.old) throw tooOld();
          const blockers = body.role === 'source' ? this.scripts.get(body.instance)?.blockers : [];
          return { findings: [...(blockers ?? [])], cpu: null };
        }),
      startMigration: (body) =>
        reached(() => {
          const view = this.#start(host, body);
          const lost = this.scripts.get(body.instance)?.startAnswerLost && !this.#lost.has(body.instance);
          this.#lost.add(body.instance);
          if (lost)
            throw error('agent-timeout', 504, true, `The agent of ${host.name} did not answer in time.`);
          this.requests.push(body);
          return view;
        }),
      listMigrations: () =>
        reached(() => [...host.migrations.values()].map((each) => each.view).toReversed()),
      getMigration: (id) =>
        reached(() => {
          const migration = this.#find(host, id);
          if (migration.view.role === 'source') this.#advance(host, migration);
          const script = this.scripts.get(migration.view.instanceId);
          if (
            script?.sourceSilentAfterHandover &&
            migration.view.role === 'source' &&
            migration.journal === 'relinquished'
          ) {
            throw error('agent-timeout', 504, true, `The agent of ${host.name} did not answer in time.`);
          }
          return shown(migration, host.old);
        }),
      cancelMigration: (id) =>
        reached(() => {
          const migration = this.#find(host, id);
          if (migration.journal === 'owned') {
            this.#abort(host, migration, 'cancelled', {
              code: 'migration-cancelled',
              message: 'Cancelled.',
              retryable: false,
            });
          }
          return shown(migration, host.old);
        }),
      getOwnership: (id) =>
        reached(() => {
          if (host.old) throw tooOld();
          const { view: of, journal } = this.#find(host, id);
          const entry = journal === null ? null : { instanceId: of.instanceId, state: journal, epoch: '1' };
          return {
            source: of.role === 'source' ? entry : null,
            destination: of.role === 'destination' ? entry : null,
          };
        }),
      resolveMigration: (id, { decision }) =>
        reached(() => {
          const migration = this.#find(host, id);
          if (decision === 'take-back') this.#takeBack(host, migration);
          else if (decision === 'take-over') this.#own(host, migration);
          else this.#abortDestination(host, migration);
          return shown(migration, host.old);
        }),
    };
  }

  describe(host: ModelHost): Host {
    return description(host.name, { hostId: host.id, peer: { ...host.peer } });
  }

  #start(host: ModelHost, body: StartMigrationBody): MigrationViewV3 {
    if (host.old && body.id !== undefined) throw tooOld();
    const known = body.id === undefined ? undefined : host.migrations.get(body.id);
    if (known) return shown(known, host.old);
    const vmm = this.#vmmOf(host, body.instance);
    if (vmm === null) throw error('instance-not-found', 404, false, `No instance on ${host.name}.`);
    if (vmm.state.life !== 'running') {
      throw error('instance-busy', 409, true, `The instance is ${vmm.state.life}.`);
    }
    const other = [...this.hosts.values()].find(({ peer }) => peer.port === body.destination.port);
    if (!other) throw error('peer-unreachable', 502, true, 'Nobody is there.');
    const id = body.id ?? randomUUID();
    this.begun.push({ id, instanceId: body.instance });
    this.#set(host, vmm, { life: 'migrating-out' });
    const migration: Migration = {
      view: migrationView(id, body.instance, 'source', `${other.peer.host}:${other.peer.port}`),
      journal: 'owned',
      other: other.id,
      looks: 0,
    };
    host.migrations.set(id, migration);
    return shown(migration, host.old);
  }

  #advance(host: ModelHost, migration: Migration): void {
    const { view: now } = migration;
    const script = this.scripts.get(now.instanceId) ?? {};
    const other = this.hosts.get(migration.other);
    if (now.endedAt !== null || other === undefined) return;
    const there = other.migrations.get(now.id);
    migration.looks++;
    switch (now.phase) {
      case 'connecting': {
        if (other.silent) {
          this.#fail(host, migration, 'peer-unreachable', true);
          return;
        }
        const vmm = this.#vmmOf(host, now.instanceId);
        if (!vmm) return;
        const arriving = vmmState({
          vmmId: randomUUID(),
          instanceId: now.instanceId,
          epoch: String(BigInt(vmm.state.epoch) + 1n),
          life: 'migrating-in',
        });
        other.vmms.set(arriving.vmmId, { state: arriving, ended: null });
        other.migrations.set(now.id, {
          view: migrationView(now.id, now.instanceId, 'destination', `127.0.0.1:${host.peer.port}`),
          journal: 'preparing',
          other: host.id,
          looks: 0,
        });
        this.#phase(migration, 'rounds');
        return;
      }
      case 'rounds':
        if (migration.looks < (script.rounds ?? 0) + 2) return;
        if (script.fails) {
          this.#fail(host, migration, script.fails.code, script.fails.retryable);
          return;
        }
        if (there) there.journal = 'ready';
        this.#phase(migration, 'switchover');
        return;
      case 'switchover': {
        migration.journal = 'relinquished';
        const vmm = this.#vmmOf(host, now.instanceId);
        if (vmm) this.#set(host, vmm, { life: 'paused' });
        this.#phase(migration, 'handover');
        return;
      }
      case 'handover':
        if (other.silent || !there) return;
        if (there.journal === 'ready') this.#own(other, there);
        else if (there.journal === 'owned') this.#done(host, migration);
        else if (there.journal === 'aborted') this.#takeBack(host, migration);
    }
  }

  #own(host: ModelHost, migration: Migration): void {
    migration.journal = 'owned';
    const vmm = this.#vmmOf(host, migration.view.instanceId);
    if (vmm) this.#set(host, vmm, { life: 'running' });
    this.#end(migration, { state: 'completed', phase: 'done' });
    this.#judge(migration.view.instanceId);
  }

  #done(host: ModelHost, migration: Migration): void {
    migration.journal = 'done';
    const vmm = this.#vmmOf(host, migration.view.instanceId);
    if (vmm) {
      this.#set(host, vmm, { life: 'moved' }, { reason: 'moved', at: new Date().toISOString() });
    }
    this.#end(migration, { state: 'completed', phase: 'done' });
  }

  #takeBack(host: ModelHost, migration: Migration): void {
    migration.journal = 'taken-back';
    const vmm = this.#vmmOf(host, migration.view.instanceId);
    if (vmm) this.#set(host, vmm, { life: 'running', epoch: '9' });
    this.#end(migration, {
      state: 'failed',
      error: { code: 'destination-did-not-take-over', message: 'Taken back.', retryable: true },
    });
    this.#judge(migration.view.instanceId);
  }

  #fail(host: ModelHost, migration: Migration, code: string, retryable: boolean): void {
    this.#abort(host, migration, 'failed', { code, message: `It failed with ${code}.`, retryable });
  }

  #abort(
    host: ModelHost,
    migration: Migration,
    state: 'failed' | 'cancelled',
    why: NonNullable<MigrationViewV3['error']>,
  ): void {
    migration.journal = 'aborted';
    const vmm = this.#vmmOf(host, migration.view.instanceId);
    if (vmm) this.#set(host, vmm, { life: 'running' });
    this.#end(migration, { state, error: why });
    const other = this.hosts.get(migration.other);
    const there = other?.migrations.get(migration.view.id);
    if (other && there) this.#abortDestination(other, there);
  }

  #abortDestination(host: ModelHost, migration: Migration): void {
    migration.journal = 'aborted';
    for (const [id, { state }] of host.vmms) {
      if (state.instanceId === migration.view.instanceId && state.life === 'migrating-in')
        host.vmms.delete(id);
    }
    this.#end(migration, { state: 'failed' });
  }

  #judge(instanceId: string): void {
    const runners = this.runners(instanceId);
    if (runners.length > 1) this.violations.push(`${instanceId} runs on ${runners.join(' and ')} (R1)`);
  }

  #vmmOf(host: ModelHost, instanceId: string): Vmm | null {
    return (
      [...host.vmms.values()].find(({ state, ended }) => state.instanceId === instanceId && !ended) ?? null
    );
  }

  #set(host: ModelHost, { state, ended }: Vmm, change: Partial<VmmState>, end = ended): void {
    const generation = String(BigInt(state.generation) + 1n);
    host.vmms.set(state.vmmId, { state: { ...state, ...change, generation }, ended: end });
  }

  #phase(migration: Migration, phase: MigrationViewV3['phase']): void {
    migration.view = { ...migration.view, phase, progress: progress(phase, migration.looks) };
  }

  #end(migration: Migration, change: Partial<MigrationViewV3>): void {
    migration.view = { ...migration.view, ...change, endedAt: new Date().toISOString() };
  }

  #find(host: ModelHost, id: string): Migration {
    const migration = host.migrations.get(id);
    if (migration) return migration;
    throw error('migration-not-found', 404, false, `${host.name} knows no migration ${id}.`);
  }
}

const RUNS: ReadonlySet<string> = new Set(['running', 'migrating-out']);

function view({ state, ended }: Vmm): VmmViewV3 {
  return { state, instanceName: 'guest', migration: null, ended };
}

function shown({ view: of, journal }: Migration, old: boolean): MigrationViewV3 {
  return { ...of, ownership: old || journal === null ? null : { state: journal, epoch: '1' } };
}

function progress(phase: MigrationViewV3['phase'], round: number): MigrationViewV3['progress'] {
  return {
    phase,
    round,
    elapsedMs: round,
    wireBytes: 0,
    pagesSent: 0,
    pagesRemaining: 0,
    bandwidthBytesPerSecond: 0,
    dirtyPagesPerSecond: null,
    expectedDowntimeMs: null,
  };
}

export function vmmState(change: Pick<VmmState, 'vmmId' | 'instanceId' | 'epoch' | 'life'>): VmmState {
  return {
    generation: '1',
    driver: 'qemu',
    ramMode: 'external',
    accelerator: 'kvm',
    acceleratorReason: null,
    machineType: null,
    vmmVersion: null,
    pid: null,
    error: null,
    ...change,
  };
}

function migrationView(
  id: string,
  instanceId: string,
  role: 'source' | 'destination',
  peer: string,
): MigrationViewV3 {
  return {
    id,
    instanceId,
    instanceName: 'guest',
    role,
    peer,
    state: 'running',
    phase: 'connecting',
    progress: null,
    report: null,
    error: null,
    startedAt: new Date().toISOString(),
    endedAt: null,
    ownership: null,
    doubt: null,
  };
}

function error(code: string, status: number, retryable: boolean, message: string): DroverError {
  return new DroverError(code, { status, retryable, summary: '' }, message);
}

function tooOld(): DroverError {
  return error('api-version-too-old', 409, false, 'That needs agent API 3.0.0.');
}
