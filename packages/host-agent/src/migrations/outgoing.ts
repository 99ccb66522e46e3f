/** Migrations that leave this host: what surrounds the sending half, from the request to what is left of the instance. */
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import {
  type ControlChannelSettings,
  formatHostPort,
  type PeerVersion,
  parseHostPort,
} from '@drover/protocol';
import {
  Doubt,
  type GuestLeft,
  type InDoubtMigration,
  type InDoubtOutcome,
  migrateOut,
  type PeerAddress,
  type SourceDeadlines,
  type SourceOutcome,
  type SourceStep,
  settleInDoubt,
  type TakeBackAnswer,
} from '@drover/source-agent';
import {
  type InstanceSpec,
  type MigrationSettings,
  RELEASE,
  replaceBackends,
  toErrorBody,
} from '@drover/types';
import type { Vmm } from '@drover/vmm';
import type { Logger } from 'pino';
import { hostAgentErrors } from '../errors.js';
import type { InstanceSnapshot } from '../instances/document.js';
import type { Instance } from '../instances/instance.js';
import type { InstanceLifecycle } from '../instances/lifecycle.js';
import type { InstanceRegistry } from '../instances/registry.js';
import { sourceJournal } from '../journal/migration-journals.js';
import type { OwnershipJournal } from '../journal/ownership-journal.js';
import type { RunDirectory } from '../storage/run-directory.js';
import type { EndedVmms } from '../vmms/ended-vmms.js';
import type { AbortNotices } from './abort-notices.js';
import { relinquishedDoubt, unwrittenDoubt } from './doubts.js';
import type { Migration } from './migration.js';
import { requestDigest } from './request-digest.js';
import { type MigrationStore, newMigrationView } from './store.js';

export interface OutgoingOptions {
  readonly hostName: string;
  readonly peerVersions: readonly PeerVersion[] | undefined;
  readonly channel: ControlChannelSettings;
  readonly deadlines: Partial<SourceDeadlines>;
  readonly registry: InstanceRegistry;
  readonly lifecycle: InstanceLifecycle;
  readonly journal: OwnershipJournal;
  readonly store: MigrationStore;
  readonly abortNotices: AbortNotices;
  readonly runDirectory: RunDirectory;
  readonly endedVmms: EndedVmms;
  readonly logger: Logger;
  /** The agent is stopping. */
  readonly shutdown: AbortSignal;
  /** For tests: waited for at each step. */
  readonly reached?: ((step: SourceStep) => Promise<void>) | undefined;
}

export interface OutgoingRequest {
  /** The caller's choice, which makes it safe to ask again. */
  readonly id?: string | undefined;
  /** Id or name. */
  readonly instance: string;
  readonly destination: PeerAddress;
  readonly settings: MigrationSettings;
  /** Backends for the destination's host, by component id. */
  readonly backends: Readonly<Record<string, unknown>>;
}

/** What is sent, and where to. */
interface Departure {
  readonly destination: PeerAddress;
  readonly settings: MigrationSettings;
  /** With the destination's backends; the instance here keeps its own. */
  readonly spec: InstanceSpec;
}

export class OutgoingMigrations {
  readonly #options: OutgoingOptions;
  readonly #running = new Map<Migration, Promise<void>>();
  /** Requests whose id the caller chose, until their records are there. */
  readonly #beginning = new Map<string, Promise<Migration>>();
  readonly #doubts = new Map<Migration, Doubt>();

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  /**
   * Begins a migration and resolves with its record; it goes on by itself. With an id that was used for the same request it resolves with
   * what that one became. Errors: `migration-id-taken`, `instance-not-found`, `instance-not-running`, `instance-busy`, `instance-in-doubt`,
   * `backend-replacement-invalid`.
   */
  async start(request: OutgoingRequest): Promise<Migration> {
    const { id } = request;
    if (id === undefined) return this.#start(request);
    const beginning = this.#beginning.get(id);
    // Whatever became of that one: it is looked at again.
    if (beginning) return beginning.catch(() => undefined).then(() => this.start(request));
    const started = this.#startOnce(id, request);
    this.#beginning.set(id, started);
    try {
      return await started;
    } finally {
      this.#beginning.delete(id);
    }
  }

  async #startOnce(id: string, request: OutgoingRequest): Promise<Migration> {
    const known = await this.#options.store.known(id);
    if (!known) return this.#start(request);
    const { instanceId, instanceName, role, peer } = known.view;
    // The instance may be gone from here: then what the request calls it can only be one of these.
    const called = [instanceId, instanceName].includes(request.instance);
    if (role === 'source' && called && known.request === requestDigest(instanceId, request)) return known;
    throw hostAgentErrors.error(
      'migration-id-taken',
      `Migration ${id} is on this host already, as another request: ${role} of ${instanceName}, with ${peer}. Choose another id.`,
    );
  }

  async #start(request: OutgoingRequest): Promise<Migration> {
    const { registry, store, journal, runDirectory } = this.#options;
    const instance = registry.find(request.instance);
    const spec = replaceBackends(instance.spec, request.backends);
    const end = instance.begin('migrate');
    let migration: Migration | undefined;
    try {
      const vmm = refuseUnlessRunning(instance);
      const { epoch } = instance.snapshot;
      const id = request.id ?? randomUUID();
      migration = await store.add(
        newMigrationView({
          id,
          instanceId: instance.id,
          instanceName: instance.name,
          role: 'source',
          peer: formatHostPort(request.destination),
          phase: 'connecting',
        }),
        request.id === undefined ? null : requestDigest(instance.id, request),
      );
      // In this order: whatever the journal says of a migration, the instance's record leads an agent that restarts to it.
      await instance.publish({ life: 'migrating-out', migration: { id, role: 'source' } });
      await journal.write({
        role: 'source',
        migrationId: id,
        instanceId: instance.id,
        state: 'owned',
        epoch,
      });
      await mkdir(runDirectory.migration(id), { recursive: true, mode: 0o700 });
      this.#track(migration, this.#run(instance, vmm, migration, { ...request, spec }, end).finally(end));
      return migration;
    } catch (thrown) {
      if (migration) await store.discard(migration);
      if (instance.snapshot.migration?.role === 'source') {
        await instance.publish({ life: 'running', migration: null });
      }
      end();
      throw thrown;
    }
  }

  /** Goes on asking for the outcome of a handover that an earlier agent began. The VMM is paused, or null: gone. */
  settle(instance: Instance, vmm: Vmm | null, migration: Migration): void {
    const entry = this.#options.journal.find('source', migration.view.id);
    if (entry === null) return;
    const inDoubt = this.#inDoubt(
      instance,
      vmm,
      migration,
      parseHostPort(migration.view.peer),
      entry.epoch - 1n,
    );
    this.#showDoubt(migration);
    const run = settleInDoubt(inDoubt)
      .catch((thrown: unknown): InDoubtOutcome => ({ kind: 'in-doubt', error: toErrorBody(thrown) }))
      .then((outcome) => this.#settled(instance, migration, outcome, () => undefined));
    this.#track(migration, run);
  }

  /** An operator's word that the destination of a migration in doubt is lost; see {@link Doubt.takeBack}. */
  takeBack(migration: Migration, reason: string): Promise<TakeBackAnswer> {
    return this.#doubts.get(migration)?.takeBack(reason) ?? Promise.resolve({ kind: 'over' });
  }

  /** Cancels what can still be cancelled and waits for everything that runs. */
  async close(): Promise<void> {
    for (const migration of this.#running.keys()) migration.cancel();
    await Promise.allSettled(this.#running.values());
  }

  #track(migration: Migration, run: Promise<void>): void {
    const tracked = run
      .catch((err: unknown) => {
        this.#options.logger.error(
          { err, migration: migration.view.id },
          'a migration could not be recorded',
        );
      })
      .finally(() => {
        this.#running.delete(migration);
        // Nobody asks any more.
        this.#doubts.get(migration)?.end();
        this.#doubts.delete(migration);
      });
    this.#running.set(migration, tracked);
  }

  async #run(
    instance: Instance,
    vmm: Vmm,
    migration: Migration,
    request: Departure,
    end: () => void,
  ): Promise<void> {
    const runDirectory = this.#options.runDirectory.migration(migration.view.id);
    const { epoch } = instance.snapshot;
    let outcome: SourceOutcome;
    try {
      outcome = await migrateOut({
        ...this.#inDoubt(instance, vmm, migration, request.destination, epoch),
        vmm,
        instance: { id: instance.id, name: instance.name, spec: request.spec },
        settings: request.settings,
        runDirectory,
        signal: migration.cancelled,
        reached: this.#options.reached,
        onProgress: (progress) => migration.progress(progress),
        onPhase: (phase) => migration.phase(phase),
        onInDoubt: (reason) => {
          void this.#nowInDoubt(instance, migration, reason);
        },
      });
    } catch (thrown) {
      outcome = await this.#afterBug(vmm, migration, thrown);
    }
    await rm(runDirectory, { recursive: true, force: true });
    await this.#settled(instance, migration, outcome, end);
  }

  #inDoubt(
    instance: Instance,
    vmm: Vmm | null,
    migration: Migration,
    destination: PeerAddress,
    epoch: bigint,
  ): InDoubtMigration {
    const { hostName, peerVersions, channel, deadlines, journal, shutdown, logger } = this.#options;
    const parties = { migrationId: migration.view.id, instanceId: instance.id };
    const doubt = new Doubt();
    this.#doubts.set(migration, doubt);
    return {
      migrationId: migration.view.id,
      instance: { id: instance.id, name: instance.name },
      epoch,
      vmm,
      destination,
      journal: sourceJournal(journal, parties, epoch),
      release: RELEASE,
      hostName,
      peerVersions,
      channel,
      deadlines,
      shutdown,
      doubt,
      logger: logger.child({ migration: migration.view.id, instance: instance.id }),
      onNote: (text) => migration.note(text),
    };
  }

  /** The sending half reports failures as outcomes; what it throws is a bug, and then only the journal counts. */
  async #afterBug(vmm: Vmm, migration: Migration, thrown: unknown): Promise<SourceOutcome> {
    const error = toErrorBody(thrown);
    this.#options.logger.error({ err: thrown, migration: migration.view.id }, 'the sending half failed');
    const entry = this.#options.journal.find('source', migration.view.id);
    if (entry?.state === 'relinquished' || entry?.state === 'done') return { kind: 'in-doubt', error };
    const status = await vmm.status().catch(() => 'gone' as const);
    if (status === 'paused') await vmm.resume().catch(() => undefined);
    return { kind: 'failed', error, guest: status === 'gone' ? 'gone' : 'running' };
  }

  async #nowInDoubt(
    instance: Instance,
    migration: Migration,
    reason: ReturnType<typeof toErrorBody>,
  ): Promise<void> {
    const { code, message } = reason;
    this.#showDoubt(migration);
    try {
      await instance.publish({ life: 'in-doubt', error: { code, message } });
      await migration.inDoubt(reason);
    } catch (err) {
      this.#options.logger.error({ err, migration: migration.view.id }, 'the doubt could not be recorded');
    }
  }

  #showDoubt(migration: Migration): void {
    if (migration.doubt !== null) return;
    const { id, instanceName, peer } = migration.view;
    const parties = { migrationId: id, instanceName, peer };
    const since = new Date();
    const doubt = this.#doubts.get(migration);
    migration.waitsForWord(() =>
      doubt && this.#options.journal.find('source', id)?.state === 'relinquished'
        ? relinquishedDoubt(parties, since, doubt)
        : unwrittenDoubt(parties, since),
    );
  }

  async #settled(
    instance: Instance,
    migration: Migration,
    outcome: SourceOutcome | InDoubtOutcome,
    end: () => void,
  ): Promise<void> {
    if (outcome.kind === 'in-doubt') return this.#nowInDoubt(instance, migration, outcome.error);
    const { abortNotices, journal, lifecycle } = this.#options;
    const entry = journal.find('source', migration.view.id);
    if (outcome.kind === 'completed') {
      await this.depart(instance, migration);
      const report = 'report' in outcome ? outcome.report : null;
      await migration.end({ state: 'completed', phase: 'done', report, error: null });
      return;
    }
    if (entry?.state === 'owned') {
      await journal
        .write({ ...entry, state: 'aborted' })
        .catch((err: unknown) => instance.logger.error({ err }, 'the abort could not be journaled'));
    }
    // From the switchover on the destination may be READY, and the try to tell it that was made may have failed. One that was declared lost
    // is told when it comes back; one whose journal said ABORTED knows.
    const { id, peer, phase } = migration.view;
    const knows = entry?.state === 'taken-back' && outcome.error.code !== 'destination-declared-lost';
    if ((phase === 'switchover' || phase === 'handover') && !knows) {
      await abortNotices.add(id, peer, outcome.error);
    }
    await instance.publish({
      ...leftAs(instance, outcome.guest),
      migration: null,
      ...(entry?.state === 'taken-back' ? { epoch: entry.epoch } : {}),
    });
    // What can be seen to have ended must not be busy with ending.
    end();
    lifecycle.settle(instance);
    await migration.end({ state: outcome.kind, report: null, error: outcome.error });
  }

  /** The instance runs elsewhere: its record goes, its console log stays with the migration. */
  async depart(instance: Instance, migration: Migration): Promise<void> {
    instance.detach();
    await instance.flushed();
    await rename(instance.logFile, this.#options.store.logFile(migration.view.id)).catch(() => undefined);
    const show = await this.#options.endedVmms.record(instance, 'moved');
    await instance.removeFiles();
    this.#options.registry.forget(instance);
    show();
    instance.logger.info({ migration: migration.view.id }, 'instance moved away');
  }
}

/** The VMM of an instance that runs. Errors: `instance-not-running`. */
export function refuseUnlessRunning({ vmm, name, snapshot: { life } }: Instance): Vmm {
  if (vmm !== null && life === 'running') return vmm;
  throw hostAgentErrors.error(
    'instance-not-running',
    `Instance ${name} is ${life} and only a running instance is moved live; start it first.`,
  );
}

/** How an instance that did not leave is shown. */
function leftAs(instance: Instance, guest: GuestLeft): Pick<InstanceSnapshot, 'life' | 'error'> {
  if (guest === 'gone' && instance.vmm === null) {
    const { code, message } = hostAgentErrors.error(
      'vmm-lost',
      `The VMM of instance ${instance.name} had gone before it was known that the instance stays here; start it again.`,
    );
    return { life: 'failed', error: { code, message } };
  }
  // What is gone is found out, and said, when the operation is released.
  return { life: guest === 'running' ? 'running' : 'paused', error: null };
}
