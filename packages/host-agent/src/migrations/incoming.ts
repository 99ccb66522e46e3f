/** Migrations that come to this host: what the receiving half needs of the agent that it lives in. */
import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  DestinationEnding,
  DestinationHost,
  DestinationJournal,
  DestinationStep,
  IncomingMigration,
  PrepareRequest,
} from '@drover/destination-agent';
import type { BulkReceiver } from '@drover/native';
import {
  type DeviceStateVersions,
  type MigrationPhase,
  type MigrationProgress,
  type MigrationReport,
  RELEASE,
} from '@drover/types';
import type { Vmm, VmmDrivers } from '@drover/vmm';
import type { Logger } from 'pino';
import type { Instance } from '../instances/instance.js';
import { type InstanceLifecycle, newSnapshot } from '../instances/lifecycle.js';
import type { InstanceRegistry } from '../instances/registry.js';
import { destinationJournal } from '../journal/migration-journals.js';
import type { OwnershipJournal } from '../journal/ownership-journal.js';
import type { BulkRoutes } from '../peers/bulk-routes.js';
import type { RunDirectory } from '../storage/run-directory.js';
import type { EndedVmms } from '../vmms/ended-vmms.js';
import { readyDoubt } from './doubts.js';
import type { Migration } from './migration.js';
import { type MigrationStore, newMigrationView } from './store.js';

/** How long a new arrival waits for the last traces of the instance's departure from here to go, ms. */
const DEPARTURE_MS = 10_000;

export interface IncomingOptions {
  readonly hostName: string;
  readonly registry: InstanceRegistry;
  readonly lifecycle: InstanceLifecycle;
  readonly driver: VmmDrivers;
  readonly journal: OwnershipJournal;
  readonly store: MigrationStore;
  readonly bulkRoutes: BulkRoutes;
  readonly runDirectory: RunDirectory;
  readonly endedVmms: EndedVmms;
  readonly logger: Logger;
  /** For tests: waited for at each step. */
  readonly reached?: ((step: DestinationStep) => Promise<void>) | undefined;
}

interface Arrival {
  readonly migration: Migration;
  instance: Instance | null;
  release: () => void;
}

export class IncomingMigrations implements DestinationHost {
  readonly release = RELEASE;
  readonly hostName: string;
  readonly logger: Logger;
  readonly reached: IncomingOptions['reached'];
  readonly #options: IncomingOptions;
  readonly #arrivals = new Map<string, Arrival>();
  readonly #endings = new Set<Promise<void>>();

  constructor(options: IncomingOptions) {
    this.#options = options;
    this.hostName = options.hostName;
    this.logger = options.logger;
    this.reached = options.reached;
  }

  deviceStates(): Promise<DeviceStateVersions> {
    return this.#options.driver.deviceStates();
  }

  journal(migrationId: string, instanceId: string): DestinationJournal {
    return destinationJournal(this.#options.journal, { migrationId, instanceId });
  }

  routeBulk(token: Uint8Array, receiver: BulkReceiver): () => void {
    return this.#options.bulkRoutes.add(token, receiver);
  }

  started({ migrationId, instanceId, spec, source }: IncomingMigration): void {
    const migration = this.#options.store.addUnsaved(
      newMigrationView({
        id: migrationId,
        instanceId,
        instanceName: spec.name,
        role: 'destination',
        peer: source.address,
        phase: 'preparing',
      }),
    );
    this.#arrivals.set(migrationId, { migration, instance: null, release: () => undefined });
    this.#inBackground(migration, migration.persist());
  }

  async prepare(request: PrepareRequest): Promise<Vmm> {
    const { registry, lifecycle, driver, runDirectory } = this.#options;
    const { migrationId, instanceId, spec, epoch, identity, cpu, signal } = request;
    lifecycle.refuseBlocked(spec);
    await driver.checkCpu(spec, cpu);
    await this.#departed(instanceId, signal);
    const instance = registry.add({
      id: instanceId,
      spec,
      snapshot: newSnapshot({
        epoch,
        life: 'migrating-in',
        identity,
        migration: { id: migrationId, role: 'destination' },
      }),
    });
    const release = instance.begin('migrate');
    let vmm: Vmm | null = null;
    try {
      await mkdir(instance.directory, { mode: 0o700 });
      await instance.publish({});
      const { vmmId } = instance.snapshot;
      vmm = await driver.launch({
        instanceId,
        vmmId,
        spec,
        directory: runDirectory.vmm(vmmId),
        logFile: instance.logFile,
        incoming: true,
        identity,
        signal,
      });
      await instance.publish({ record: vmm.record, identity: vmm.record.identity });
      signal.throwIfAborted();
    } catch (thrown) {
      await vmm?.destroy();
      await this.remove(instance);
      release();
      throw thrown;
    }
    lifecycle.attach(instance, vmm);
    this.#claim(migrationId, instance, release);
    return vmm;
  }

  /** Takes in a VMM that waits for COMMIT or ABORT since before the agent was restarted. */
  resumed(migration: Migration, instance: Instance, vmm: Vmm): void {
    const release = instance.begin('migrate');
    this.#options.lifecycle.attach(instance, vmm);
    this.#arrivals.set(migration.view.id, { migration, instance, release });
    showReady(migration, 'the agent was restarted, and the source has not come back yet');
  }

  waits(migrationId: string, reason: string): void {
    const migration = this.#arrivals.get(migrationId)?.migration;
    if (migration) showReady(migration, reason);
  }

  onPhase(migrationId: string, phase: MigrationPhase): void {
    this.#arrivals.get(migrationId)?.migration.phase(phase);
  }

  onProgress(migrationId: string, progress: MigrationProgress): void {
    this.#arrivals.get(migrationId)?.migration.progress(progress);
  }

  ended(migrationId: string, ending: DestinationEnding): void {
    const arrival = this.#arrivals.get(migrationId);
    if (!arrival) return;
    this.#arrivals.delete(migrationId);
    this.#inBackground(arrival.migration, this.#end(arrival, ending));
  }

  onReport(migrationId: string, report: MigrationReport): void {
    const migration = this.#options.store.get(migrationId);
    if (migration?.view.role !== 'destination') return;
    this.#inBackground(migration, migration.report(report));
  }

  /** An arrival that came to nothing. Its VMM is gone already. */
  async remove(instance: Instance): Promise<void> {
    const show = await this.#options.endedVmms.record(instance, 'deleted');
    await instance.removeFiles();
    this.#options.registry.forget(instance);
    show();
  }

  /** Waits until every ending so far is recorded. */
  async settled(): Promise<void> {
    while (this.#endings.size > 0) await Promise.all(this.#endings);
  }

  async #end(arrival: Arrival, ending: DestinationEnding): Promise<void> {
    const { migration, instance } = arrival;
    try {
      if (ending.kind === 'completed') await this.#arrived(arrival, ending);
      else if (instance) {
        instance.detach();
        await this.remove(instance);
      }
    } finally {
      // What can be seen to have ended must not be busy with ending.
      arrival.release();
    }
    if (ending.kind === 'completed') {
      if (instance) this.#options.lifecycle.settle(instance);
      const { report } = migration.view;
      await migration.end({ state: 'completed', phase: 'done', report, error: null });
    } else {
      await migration.end({ state: ending.kind, report: null, error: ending.error });
    }
  }

  async #arrived(
    { migration, instance }: Arrival,
    { epoch, resumed }: Extract<DestinationEnding, { kind: 'completed' }>,
  ): Promise<void> {
    await instance?.publish({ life: resumed ? 'running' : 'paused', epoch, migration: null });
    instance?.logger.info({ migration: migration.view.id }, 'instance arrived');
  }

  #claim(migrationId: string, instance: Instance, release: () => void): void {
    const arrival = this.#arrivals.get(migrationId);
    if (!arrival) return;
    arrival.instance = instance;
    arrival.release = release;
  }

  /** An instance that comes straight back may find its own departure not yet tidied up. */
  async #departed(instanceId: string, signal: AbortSignal): Promise<void> {
    const { registry, journal } = this.#options;
    const leaving = () => {
      const migration = registry.get(instanceId)?.snapshot.migration;
      if (!migration) return false;
      const { id, role } = migration;
      const state = journal.find(role, id)?.state;
      return role === 'source' ? state === 'done' : state === 'aborted';
    };
    for (const deadline = Date.now() + DEPARTURE_MS; leaving() && Date.now() < deadline; ) {
      await sleep(10, undefined, { signal });
    }
  }

  #inBackground(migration: Migration, work: Promise<void>): void {
    const tracked: Promise<void> = work
      .catch((err: unknown) =>
        this.logger.error({ err, migration: migration.view.id }, 'a migration could not be recorded'),
      )
      .finally(() => this.#endings.delete(tracked));
    this.#endings.add(tracked);
  }
}

function showReady(migration: Migration, reason: string): void {
  const { id, instanceName, peer } = migration.view;
  const since = new Date();
  migration.waitsForWord(() => readyDoubt({ migrationId: id, instanceName, peer }, since, reason));
  migration.note(`READY, and waiting for the source: ${reason}`);
}
