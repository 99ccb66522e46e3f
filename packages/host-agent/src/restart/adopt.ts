/**
 * After a restart: finds every VMM that an earlier agent started and brings each instance to where the journal says it is.
 * Guests ran on in the meantime (R11).
 */
import type { SessionIdentity } from '@drover/destination-agent';
import { type ErrorBody, toErrorBody } from '@drover/types';
import type { Vmm, VmmDrivers } from '@drover/vmm';
import type { Logger } from 'pino';
import { hostAgentErrors } from '../errors.js';
import type { InstanceSnapshot } from '../instances/document.js';
import type { Instance } from '../instances/instance.js';
import type { InstanceLifecycle } from '../instances/lifecycle.js';
import type { InstanceRegistry } from '../instances/registry.js';
import type { OwnershipJournal } from '../journal/ownership-journal.js';
import type { OwnershipState } from '../journal/states.js';
import type { AbortNotices } from '../migrations/abort-notices.js';
import type { IncomingMigrations } from '../migrations/incoming.js';
import type { Migration } from '../migrations/migration.js';
import type { OutgoingMigrations } from '../migrations/outgoing.js';
import type { MigrationStore } from '../migrations/store.js';
import { fateOf } from './fate.js';

export interface AdoptionOptions {
  readonly registry: InstanceRegistry;
  readonly lifecycle: InstanceLifecycle;
  readonly driver: VmmDrivers;
  readonly journal: OwnershipJournal;
  readonly store: MigrationStore;
  readonly abortNotices: AbortNotices;
  readonly outgoing: OutgoingMigrations;
  readonly incoming: IncomingMigrations;
  /** Tells the receiving half of a VMM that waits for COMMIT or ABORT. */
  readonly restore: (identity: SessionIdentity, vmm: Vmm) => void;
  readonly logger: Logger;
}

/** Never fails for one instance: what cannot be adopted is shown as failed, with the reason. */
export async function adoptAll(options: AdoptionOptions): Promise<void> {
  await Promise.all(
    options.registry.list().map(async (instance) => {
      try {
        await adoptOne(options, instance);
      } catch (err) {
        instance.logger.error({ err }, 'an instance could not be brought back');
        const { code, message } = toErrorBody(err);
        await instance
          .publish({ life: 'failed', error: { code, message } })
          .catch((error: unknown) => instance.logger.error({ err: error }, 'nor could that be recorded'));
      }
    }),
  );
  await closeStrayEntries(options);
  await endStrayViews(options);
}

async function adoptOne(options: AdoptionOptions, instance: Instance): Promise<void> {
  const { journal, store } = options;
  const { migration: part, record } = instance.snapshot;
  const entry = part && journal.find(part.role, part.id);
  const fate = fateOf(instance.snapshot, entry, journal.knownEpoch(instance.id));
  const migration = part ? store.get(part.id) : undefined;
  instance.logger.info({ fate: fate.kind, pid: record?.pid ?? null }, 'bringing an instance back');
  switch (fate.kind) {
    case 'ours':
      return takeBack(options, instance, migration, fate.epoch);
    case 'in-doubt':
      return stayInDoubt(options, instance, migration);
    case 'waiting':
      return waitForWord(options, instance, migration);
    case 'moved':
    case 'torn-down':
      return remove(options, instance, migration, fate.kind);
  }
}

async function takeBack(
  { driver, lifecycle, journal, abortNotices }: AdoptionOptions,
  instance: Instance,
  migration: Migration | undefined,
  epoch: bigint,
): Promise<void> {
  const { record, migration: part, life } = instance.snapshot;
  const entry = part && journal.find(part.role, part.id);
  if (entry?.role === 'source') {
    // The destination may be READY. It is told, and from here on never anything else.
    if (migration) await abortNotices.add(entry.migrationId, migration.view.peer, interrupted(instance));
    if (entry.state !== 'taken-back') await journal.write({ ...entry, state: 'aborted' });
  }
  const ours: Partial<InstanceSnapshot> = { epoch, migration: null };
  if (record === null) {
    await instance.publish({ ...ours, life: life === 'failed' ? life : 'stopped' });
  } else {
    const found = await adopt(driver, instance);
    if (found.vmm) {
      lifecycle.attach(instance, found.vmm);
      const status = await found.vmm.status();
      // Only an interrupted switchover, start or arrival leaves a guest of ours paused; one that cannot go on says so itself.
      if (status === 'paused' || status === 'incomplete') await found.vmm.resume();
      await instance.publish({ ...ours, life: 'running', error: null });
      lifecycle.settle(instance);
    } else {
      const { code, message } = found.error;
      await instance.publish({
        ...ours,
        life: 'failed',
        error: { code: code === 'vmm-gone' ? 'vmm-lost' : code, message },
        // A VMM that is there but does not answer keeps its record: no second one may start beside it (R1).
        record: code === 'vmm-gone' ? null : record,
      });
    }
  }
  if (entry?.role === 'destination') await endView(migration, 'completed', null);
  else await endView(migration, 'failed', interrupted(instance));
}

/** Relinquished: whatever the VMM does, it must not run until the destination has answered. */
async function stayInDoubt(
  { driver, outgoing }: AdoptionOptions,
  instance: Instance,
  migration: Migration | undefined,
): Promise<void> {
  const { vmm } = await adopt(driver, instance);
  if (vmm) {
    instance.attach(vmm, (event) => instance.logger.warn({ event: event.kind }, event.message));
    if ((await vmm.status()) === 'running') await vmm.pause();
  }
  const error = hostAgentErrors.error(
    'instance-in-doubt',
    `Instance ${instance.name} was handed over before the agent restarted, and the destination${migration ? ` ${migration.view.peer}` : ''} has not yet said what became of it.`,
  );
  await instance.publish({ life: 'in-doubt', error: { code: error.code, message: error.message } });
  if (!migration) return;
  await migration.inDoubt(error.toBody());
  outgoing.settle(instance, vmm, migration);
}

async function waitForWord(
  options: AdoptionOptions,
  instance: Instance,
  migration: Migration | undefined,
): Promise<void> {
  const { driver, incoming, journal, restore } = options;
  const { vmm, error } = await adopt(driver, instance);
  // READY was a promise to the source. Without the VMM it cannot be kept, and the source learns that when it asks.
  if (error?.code === 'vmm-gone') return giveUpArrival(options, instance, migration);
  // One that does not say how it is may have been promised, and is kept.
  if ((await vmm?.status().catch(() => null)) === 'incomplete') {
    // READY was journaled and never said: no source has relinquished to a VMM that has not all of the guest.
    await vmm?.destroy();
    return giveUpArrival(options, instance, migration);
  }
  const part = instance.snapshot.migration;
  const entry = part && journal.find(part.role, part.id);
  if (!vmm || !migration || !entry) {
    throw hostAgentErrors.error('vmm-lost', error?.message ?? 'The record of the migration is gone.');
  }
  incoming.resumed(migration, instance, vmm);
  restore({ migrationId: migration.view.id, instanceId: instance.id, epoch: entry.epoch }, vmm);
}

/** `moved`: the guest runs elsewhere; `torn-down`: an arrival that never became ready. */
async function remove(
  options: AdoptionOptions,
  instance: Instance,
  migration: Migration | undefined,
  kind: 'moved' | 'torn-down',
): Promise<void> {
  const { driver, outgoing } = options;
  const { vmm, error } = await adopt(driver, instance);
  if (error && error.code !== 'vmm-gone') throw hostAgentErrors.error('vmm-lost', error.message);
  await vmm?.destroy();
  if (kind === 'torn-down') return giveUpArrival(options, instance, migration);
  if (migration) await outgoing.depart(instance, migration);
  await endView(migration, 'completed', null);
}

/** Of an arrival whose VMM is gone. */
async function giveUpArrival(
  { journal, incoming }: AdoptionOptions,
  instance: Instance,
  migration: Migration | undefined,
): Promise<void> {
  const part = instance.snapshot.migration;
  const entry = part && journal.find(part.role, part.id);
  if (entry) await journal.write({ ...entry, state: 'aborted' });
  await incoming.remove(instance);
  await endView(migration, 'failed', interrupted(instance));
}

/**
 * Entries that no instance leads to any more, because the last word on them could not be journaled, on a full disk for instance, when the instance
 * was already let go. What they are is certain: an arrival that was torn down, a departure that was called off, or one that had succeeded.
 */
async function closeStrayEntries({ registry, journal, logger }: AdoptionOptions): Promise<void> {
  for (const entry of journal.unfinished()) {
    const { role, state, migrationId, instanceId } = entry;
    const part = registry.get(instanceId)?.snapshot.migration;
    if (part?.id === migrationId && part.role === role) continue;
    const last = LAST_WORDS[`${role} ${state}`];
    if (last === undefined) {
      logger.error(
        { migration: migrationId, instance: instanceId, role, state },
        'the journal has a migration open whose instance is not here',
      );
      continue;
    }
    await journal
      .write({ ...entry, state: last })
      .catch((err: unknown) =>
        logger.error({ err, migration: migrationId }, 'a migration stays open in the journal'),
      );
  }
}

/** An instance is let go only after these were true. */
const LAST_WORDS: Readonly<Record<string, OwnershipState>> = {
  'destination preparing': 'aborted',
  'source owned': 'aborted',
  'source relinquished': 'done',
};

/** Migrations whose instance is not here any more: the agent stopped between the two removals. */
async function endStrayViews({ store, journal }: AdoptionOptions): Promise<void> {
  for (const { id, endedAt, role } of store.list()) {
    const migration = store.get(id);
    const state = journal.find(role, id)?.state;
    if (!migration || endedAt !== null || state === 'relinquished' || state === 'ready') continue;
    const completed = state === (role === 'source' ? 'done' : 'owned');
    await endView(migration, completed ? 'completed' : 'failed', completed ? null : interrupted(null));
  }
}

type Adopted =
  | { readonly vmm: Vmm; readonly error: null }
  | { readonly vmm: null; readonly error: ErrorBody };

async function adopt(driver: VmmDrivers, instance: Instance): Promise<Adopted> {
  const { record } = instance.snapshot;
  if (record === null) {
    return { vmm: null, error: { code: 'vmm-gone', message: 'no VMM was started', retryable: false } };
  }
  try {
    return { vmm: await driver.adopt(record, instance.spec), error: null };
  } catch (thrown) {
    instance.logger.warn({ err: thrown, pid: record.pid }, 'a VMM could not be adopted');
    return { vmm: null, error: toErrorBody(thrown) };
  }
}

async function endView(
  migration: Migration | undefined,
  state: 'completed' | 'failed',
  error: ErrorBody | null,
): Promise<void> {
  if (!migration || migration.view.endedAt !== null) return;
  const report = state === 'completed' ? migration.view.report : null;
  await migration.end({ state, report, error, ...(state === 'completed' ? { phase: 'done' } : {}) });
}

function interrupted(instance: Instance | null): ErrorBody {
  return hostAgentErrors
    .error(
      'migration-interrupted',
      `The agent was restarted while ${instance ? `instance ${instance.name}` : 'the instance'} was being moved, before the handover; start the migration again.`,
    )
    .toBody();
}
