/**
 * Brings instances to what is desired of them. Which ones have something to be done is in their rows, with a lease, so that any replica goes on
 * where one died; every request to an agent may be sent twice without harm, and reaches the VMM that it was meant for or none.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { ApiError } from '@drover/client';
import type { InstanceView } from '@drover/protocol';
import { DroverError, toErrorBody, type VmmLife, writeInstanceSpec } from '@drover/types';
import type { Logger } from 'pino';
import { controlPlaneErrors } from '../errors.js';
import type { ChangeLog } from '../events/change-log.js';
import type { AgentPool } from '../hosts/agent-pool.js';
import type { HostDirectory, KnownHost } from '../hosts/directory.js';
import type { StateWriter } from '../state/state-writer.js';
import { fromNow, now } from '../store/clock.js';
import type { Database } from '../store/database.js';
import { type InstanceRow, placementOf, specOf } from './instance-row.js';
import { type Action, nextAction } from './next-action.js';
import type { Placer } from './place.js';

/** Longest that an agent may take to make, start or stop a guest, ms. */
const ACT_TIMEOUT_MS = 45_000;
/** Longer than any one action. */
const LEASE_MS = 60_000;
/** Between looks for instances that are due, ms. */
const TICK_MS = 500;
/** Before what was waited for or failed is tried again, ms: doubled with each try up to the second. */
const AGAIN_MS = [500, 30_000] as const;
const CLAIM = 20;

export interface ReconcilerOptions {
  readonly replicaId: string;
  readonly database: Database;
  readonly changeLog: ChangeLog;
  readonly agents: AgentPool;
  readonly directory: HostDirectory;
  readonly writer: StateWriter;
  readonly placer: Placer;
  /** The host has news that it will not ring for. */
  readonly look: (hostId: string) => void;
  readonly logger: Logger;
  /** Instances worked on at once. */
  readonly workers: number;
}

/** What became of one step. */
type Step = 'go-on' | 'reached' | 'wait';

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #stopping = new AbortController();
  readonly #busy = new Map<string, Promise<void>>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Works on this one now, and resolves when it is as desired or must wait, or after `waitMs`; the work goes on by itself. */
  async bring(id: string, waitMs: number): Promise<void> {
    const waited = new AbortController();
    await Promise.race([
      this.#begin(id),
      pause(waitMs, undefined, { signal: waited.signal }).catch(() => undefined),
    ]);
    waited.abort();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await Promise.allSettled(this.#busy.values());
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { logger, workers } = this.#options;
    while (!signal.aborted) {
      try {
        const room = Math.min(CLAIM, workers - this.#busy.size);
        if (room > 0) for (const id of await this.#due(room)) void this.#begin(id);
      } catch (err) {
        logger.warn({ err }, 'instances cannot be read now; their work goes on when the database is back');
        await pause(1_000, undefined, { signal }).catch(() => undefined);
      }
      await pause(TICK_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #due(limit: number): Promise<string[]> {
    const rows = await this.#options.database.run((db) =>
      db
        .selectFrom('instances')
        .select('id')
        .where('run_at', '<=', now)
        .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<', now)]))
        .orderBy('run_at')
        .limit(limit)
        .execute(),
    );
    return rows.map(({ id }) => id).filter((id) => !this.#busy.has(id));
  }

  #begin(id: string): Promise<void> {
    const running = this.#busy.get(id);
    if (running) return running;
    const work = this.#work(id)
      .catch((err: unknown) => {
        if (!this.#stopping.signal.aborted) {
          this.#options.logger.warn({ err, instanceId: id }, 'work on an instance was interrupted');
        }
      })
      .finally(() => this.#busy.delete(id));
    this.#busy.set(id, work);
    return work;
  }

  async #work(id: string): Promise<void> {
    for (;;) {
      const row = await this.#claim(id);
      if (!row) return;
      let step: Step;
      let problem: DroverError | null = null;
      try {
        ({ step, problem } = await this.#step(row));
      } catch (thrown) {
        if (this.#stopping.signal.aborted) return;
        if (thrown instanceof DroverError && thrown.code === 'database-unavailable') throw thrown;
        step = 'wait';
        problem = thrown instanceof DroverError ? thrown : internal(row, thrown);
      }
      await this.#settle(row, step, problem);
      if (step !== 'go-on' || this.#stopping.signal.aborted) return;
    }
  }

  async #claim(id: string): Promise<InstanceRow | null> {
    const { database, replicaId } = this.#options;
    const row = await database.run((db) =>
      db
        .updateTable('instances')
        .set({ lease_owner: replicaId, lease_until: fromNow(LEASE_MS) })
        .where('id', '=', id)
        .where('run_at', 'is not', null)
        .where((eb) =>
          eb.or([
            eb('lease_until', 'is', null),
            eb('lease_until', '<', now),
            // A claim whose answer was lost is this replica's own.
            eb('lease_owner', '=', replicaId),
          ]),
        )
        .returningAll()
        .executeTakeFirst(),
    );
    return row ?? null;
  }

  /** Writes what came of a step. One whose wish has changed meanwhile (its generation is newer) is due at once. */
  async #settle(row: InstanceRow, step: Step, problem: DroverError | null): Promise<void> {
    const { changeLog, replicaId } = this.#options;
    const body = problem && JSON.stringify(toErrorBody(problem));
    const attempts = problem ? row.attempts + 1 : 0;
    const wait = Math.min(AGAIN_MS[0] * 2 ** Math.min(row.attempts, 10), AGAIN_MS[1]);
    await changeLog.transaction(async (transaction, changes) => {
      const [there] = await transaction
        .updateTable('instances')
        .set({ lease_owner: null, lease_until: null, attempts, problem: body })
        .where('id', '=', row.id)
        .where('lease_owner', '=', replicaId)
        .returning(['generation', 'desired', 'forced'])
        .execute();
      if (!there) return;
      if (body !== row.problem) changes.changed('instance', row.id);
      const same = there.desired === row.desired && there.forced === row.forced;
      const next = !same || step === 'go-on' ? now : step === 'reached' ? null : fromNow(wait);
      await transaction.updateTable('instances').set({ run_at: next }).where('id', '=', row.id).execute();
    });
  }

  async #step(row: InstanceRow): Promise<{ step: Step; problem: DroverError | null }> {
    const { database, directory } = this.#options;
    const vmm =
      row.vmm_id === null
        ? undefined
        : await database.run((db) =>
            db
              .selectFrom('vmms')
              .select(['id', 'host_id', 'life'])
              .where('id', '=', row.vmm_id)
              .executeTakeFirst(),
          );
    const promise = vmm
      ? undefined
      : await database.run((db) =>
          db.selectFrom('reservations').select('host_id').where('id', '=', row.id).executeTakeFirst(),
        );
    const hostId = vmm?.host_id ?? promise?.host_id ?? null;
    if (hostId !== null && !directory.get(hostId)) await directory.reload([hostId]);
    const host = hostId === null ? undefined : directory.get(hostId);
    const action = nextAction({
      desired: row.desired as 'running' | 'stopped' | 'deleted',
      life: (vmm?.life ?? null) as VmmLife | null,
      host: host?.state ?? null,
      migrating: row.migration_id !== null,
    });
    return this.#act(action, row, host, vmm?.id);
  }

  async #act(
    action: Action,
    row: InstanceRow,
    host: KnownHost | undefined,
    vmmId: string | undefined,
  ): Promise<{ step: Step; problem: DroverError | null }> {
    switch (action) {
      case 'reached':
        return { step: 'reached', problem: null };
      case 'wait':
        return { step: 'wait', problem: null };
      case 'wait-for-host':
        return { step: 'wait', problem: unreachable(row, host) };
      case 'give-up-host':
        await this.#options.database.run((db) =>
          db.deleteFrom('reservations').where('id', '=', row.id).execute(),
        );
        return { step: vmmId === undefined ? 'go-on' : 'wait', problem: null };
      case 'place':
        await this.#options.placer.place(
          { id: row.id, name: row.name, spec: specOf(row), placement: placementOf(row) },
          (promise) => this.#options.database.transaction(promise),
        );
        return { step: 'go-on', problem: null };
      case 'remove':
        await this.#remove(row);
        return { step: 'reached', problem: null };
    }
    if (!host) return { step: 'wait', problem: null };
    if (action === 'delete') await this.#delete(row, host, vmmId);
    else await this.#askAgent(action, row, host, vmmId);
    return { step: 'go-on', problem: null };
  }

  async #askAgent(
    action: 'create' | 'start' | 'stop',
    row: InstanceRow,
    host: KnownHost,
    vmmId: string | undefined,
  ): Promise<void> {
    const view = await this.#options.agents.ask(
      host,
      async (agent, options) => {
        if (action === 'create') return agent.createInstance(this.#envelope(row, host), options);
        if (action === 'start') return agent.startInstance(row.id, options);
        return agent.stopInstance(row.id, { force: row.forced, vmm: vmmId ?? '' }, options);
      },
      ACT_TIMEOUT_MS,
    );
    await this.#take(host, view);
  }

  async #take(host: KnownHost, { state, name }: InstanceView): Promise<void> {
    const view = { state, instanceName: name, migration: null, ended: null };
    await this.#options.writer.store(host, [view], 'request');
  }

  /** One whose VMM was never seen may have been made by a request whose answer was lost: its host is asked first. */
  async #delete(row: InstanceRow, host: KnownHost, vmmId: string | undefined): Promise<void> {
    const { agents, look } = this.#options;
    if (vmmId === undefined) {
      const view = await agents.ask(host, (agent, options) => agent.findInstance(row.id, options));
      return view ? this.#take(host, view) : this.#remove(row);
    }
    await agents.ask(host, (agent, options) => agent.deleteInstance(row.id, vmmId, options), ACT_TIMEOUT_MS);
    look(host.id);
    await this.#seeEnd(host, vmmId);
  }

  #envelope(row: InstanceRow, host: KnownHost) {
    const accepted = host.description?.compatibility.instanceSpec;
    const spec = writeInstanceSpec(specOf(row), accepted, host.name);
    return { id: row.id, spec: { ...spec }, start: row.desired === 'running' };
  }

  /** After a deletion: what its agent says of the VMM now. One that it does not know is settled by the next round over the host. */
  async #seeEnd(host: KnownHost, vmmId: string): Promise<void> {
    const { agents, writer } = this.#options;
    try {
      const view = await agents.ask(host, (agent, options) => agent.getVmm(vmmId, options));
      await writer.store(host, [view], 'request');
    } catch (thrown) {
      if (!(thrown instanceof ApiError && thrown.code === 'vmm-not-found')) throw thrown;
      // The round over the host ends it; until then there is nothing to do.
      await pause(AGAIN_MS[0], undefined, { signal: this.#stopping.signal });
    }
  }

  async #remove(row: InstanceRow): Promise<void> {
    await this.#options.changeLog.transaction(async (transaction, changes) => {
      await transaction.deleteFrom('reservations').where('id', '=', row.id).execute();
      const removed = await transaction
        .deleteFrom('instances')
        .where('id', '=', row.id)
        .where('desired', '=', 'deleted')
        .where('vmm_id', 'is', null)
        .returning('id')
        .execute();
      if (removed.length > 0) changes.gone(row.id, { what: 'instance', name: row.name });
    });
  }
}

function unreachable(row: InstanceRow, host: KnownHost | undefined): DroverError {
  return controlPlaneErrors.error(
    'host-unreachable',
    `The agent of host ${host?.name} does not answer, so nothing can be done with instance ${row.name} now; it goes on by itself when the agent is back.`,
  );
}

function internal(row: InstanceRow, thrown: unknown): DroverError {
  return controlPlaneErrors.error(
    'instance-work-failed',
    `Work on instance ${row.name} failed: ${thrown instanceof Error ? thrown.message : String(thrown)}.`,
    thrown,
  );
}
