/**
 * A replica that works on migrations, with a point before and after each thing that it does to the database or to an agent. At one of them it can be
 * made to die, or to hang for as long as one likes.
 */
import { randomUUID } from 'node:crypto';
import { writeHost, writeInstanceSpecForStorage } from '@drover/types';
import { sql } from 'kysely';
import { ChangeLog } from '../../src/events/change-log.js';
import type { AgentDirectory, SagaAgent } from '../../src/migrations/agents.js';
import { createMigration, type NewMigration } from '../../src/migrations/create.js';
import { type MigrationOptions, migrationOptionsSchema } from '../../src/migrations/options.js';
import { type MigrationRecord, readMigration } from '../../src/migrations/records.js';
import { MigrationSaga } from '../../src/migrations/saga.js';
import { FleetReader } from '../../src/placement/read-fleet.js';
import { Preflights } from '../../src/preflight/preflights.js';
import { claimDue, releaseClaim } from '../../src/saga/claims.js';
import { followInstances } from '../../src/state/follow-instances.js';
import { storeStates } from '../../src/state/store-states.js';
import { now } from '../../src/store/clock.js';
import type { Database } from '../../src/store/database.js';
import { migrateSchema } from '../../src/store/migrate.js';
import { silent } from './databases.js';
import { spec } from './fleet.js';
import type { ModelFleet, ModelHost } from './model-agents.js';

export const placement = { cpuOvercommit: 8, memoryOvercommit: 1 };

export class Crash extends Error {}

/**
 * Points lie before and after what changes something: transactions, and requests that an agent acts on. What is only read changes nothing for
 * anybody else, so stopping there is like stopping before what comes next. `DROVER_TEST_EVERY_POINT=1` makes points of reads as well.
 */
const EVERY_POINT = process.env.DROVER_TEST_EVERY_POINT === '1';
const CHANGES: ReadonlySet<string> = new Set([
  'a transaction',
  'startMigration',
  'cancelMigration',
  'resolveMigration',
]);

/** Called at each point; what it throws or waits for happens to the replica there. */
export type Gate = (point: number, what: string) => Promise<void> | void;

export interface ReplicaOptions {
  readonly database: Database;
  readonly fleet: ModelFleet;
  readonly gate?: Gate;
  readonly options?: Partial<MigrationOptions>;
}

export class Replica {
  readonly id = randomUUID();
  readonly saga: MigrationSaga;
  readonly changeLog: ChangeLog;
  readonly preflights: Preflights;
  readonly options: MigrationOptions;
  readonly #database: Database;
  /** Without points. */
  readonly #bare: Database;
  #point = 0;
  #dead: unknown = null;

  constructor({ database, fleet, gate = () => undefined, options = {} }: ReplicaOptions) {
    this.options = migrationOptionsSchema.parse({ followMs: 1, quietMs: 30, ...options });
    this.#bare = database;
    this.#database = this.#gatedDatabase(database, gate);
    this.changeLog = new ChangeLog(this.#database, () => undefined);
    const agents = this.#gatedAgents(fleet, gate);
    const reader = new FleetReader(placement);
    this.preflights = new Preflights(this.#database, reader, agents, this.options);
    this.saga = new MigrationSaga({
      database: this.#database,
      changeLog: this.changeLog,
      agents,
      preflights: this.preflights,
      vmms: {
        takeIn: (hostId, views) =>
          this.changeLog.transaction(async (transaction, changes) => {
            await storeStates(
              transaction,
              changes,
              views.map((view) => ({ hostId, view })),
            );
            await followInstances(
              transaction,
              changes,
              views.map(({ state }) => state.instanceId),
            );
          }),
      },
      options: this.options,
      placement,
      load: () => 1,
      logger: silent,
    });
  }

  /** Points passed so far. */
  get points(): number {
    return this.#point;
  }

  /** One turn over everything that is due. Returns how many were claimed. Rejects with {@link Crash} where it dies. */
  async turn(): Promise<number> {
    const claims = await this.#database.run((db) =>
      claimDue(db, 'migrations', { owner: this.id, leaseMs: this.options.leaseMs, limit: 64 }),
    );
    for (const claim of claims) {
      let inMs = 0;
      try {
        inMs = await this.saga.advance(claim, new AbortController().signal);
      } catch (thrown) {
        if (this.#dead !== null) throw this.#dead;
        if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'saga-claim-lost')) throw thrown;
        continue;
      }
      await this.#database.run((db) => releaseClaim(db, claim, inMs));
    }
    return claims.length;
  }

  /** Turns until every migration has ended, with time made to pass in between. */
  async finish(turns = 400): Promise<void> {
    for (let turn = 0; turn < turns; turn++) {
      await this.turn();
      const open = await this.#bare.run((db) =>
        db.selectFrom('migrations').select('id').where('ended_at', 'is', null).execute(),
      );
      if (open.length === 0) return;
      await hasten(this.#bare);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error('a migration does not end');
  }

  async #pass(gate: Gate, when: 'before' | 'after', what: string): Promise<void> {
    if (this.#dead !== null) throw this.#dead;
    if (!EVERY_POINT && !CHANGES.has(what)) return;
    // Nothing lies between the end of one transaction and what is done next.
    if (!EVERY_POINT && when === 'after' && what === 'a transaction') return;
    this.#point += 1;
    try {
      await gate(this.#point, `${when} ${what}`);
    } catch (thrown) {
      this.#dead = thrown;
      throw thrown;
    }
  }

  #gatedDatabase(database: Database, gate: Gate): Database {
    const gated = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
      await this.#pass(gate, 'before', what);
      const result = await work();
      await this.#pass(gate, 'after', what);
      return result;
    };
    return Object.assign(Object.create(database) as Database, {
      run: (work: Parameters<Database['run']>[0], options?: Parameters<Database['run']>[1]) =>
        gated('a query', () => database.run(work, options)),
      transaction: (
        work: Parameters<Database['transaction']>[0],
        options?: Parameters<Database['transaction']>[1],
      ) => gated('a transaction', () => database.transaction(work, options)),
    });
  }

  #gatedAgents(fleet: ModelFleet, gate: Gate): AgentDirectory {
    return {
      agentOf: async (hostId) => {
        const agent = await fleet.agentOf(hostId);
        if (agent === null) return null;
        return Object.fromEntries(
          Object.entries(agent).map(([name, call]) => [
            name,
            async (...given: unknown[]) => {
              await this.#pass(gate, 'before', name);
              const answer = await (call as (...given: unknown[]) => Promise<unknown>)(...given);
              await this.#pass(gate, 'after', name);
              return answer;
            },
          ]),
        ) as unknown as SagaAgent;
      },
    };
  }
}

/** Every lease has run out and every time has come. */
export async function hasten(database: Database): Promise<void> {
  const past = sql<Date>`now() - interval '1 second'`;
  await database.run((db) =>
    db
      .updateTable('migrations')
      .set({ run_at: past, lease_until: null })
      .where('run_at', 'is not', null)
      .execute(),
  );
}

export async function prepareDatabase(database: Database): Promise<void> {
  await migrateSchema(database);
}

export async function addHost(
  database: Database,
  fleet: ModelFleet,
  name: string,
  change = {},
): Promise<ModelHost> {
  const host = fleet.addHost(name);
  await database.run((db) =>
    db
      .insertInto('hosts')
      .values({
        id: host.id,
        name,
        url: `http://127.0.0.1:${host.peer.port}`,
        state: 'active',
        desired: 'active',
        labels: '{}',
        description: JSON.stringify(writeHost(fleet.describe(host))),
        cpus: 16,
        memory_bytes: 64 * 2 ** 30,
        registered_at: new Date(),
        state_since: new Date(),
        reason: null,
        ...change,
      })
      .execute(),
  );
  return host;
}

let instances = 0;

export async function addInstance(
  database: Database,
  fleet: ModelFleet,
  host: ModelHost,
  change: { memoryMiB?: number; antiAffinity?: string } = {},
): Promise<string> {
  const id = randomUUID();
  const name = `guest-${++instances}`;
  const state = fleet.addGuest(host, id);
  const { memoryMiB = 64, antiAffinity = null } = change;
  await database.transaction(async (transaction) => {
    await transaction
      .insertInto('instances')
      .values({
        id,
        name,
        spec: JSON.stringify(writeInstanceSpecForStorage(spec({ name, memoryMiB }))),
        labels: '{}',
        placement: JSON.stringify({ host: null, labels: {}, antiAffinity, strategy: 'spread' }),
        anti_affinity: antiAffinity,
        desired: 'running',
        vmm_id: state.vmmId,
        migration_id: null,
        problem: null,
        cpus: 1,
        memory_bytes: memoryMiB << 20,
        created_at: new Date(),
        run_at: null,
        lease_owner: null,
        lease_until: null,
      })
      .execute();
    await storeStates(transaction, { changed: () => undefined, gone: () => undefined }, [
      { hostId: host.id, view: { state, instanceName: name, migration: null, ended: null } },
    ]);
  });
  return id;
}

export function migrate(
  replica: Replica,
  instanceId: string,
  destination: ModelHost | null,
  change: Partial<NewMigration> = {},
): Promise<string> {
  return replica.changeLog.transaction((transaction, changes) =>
    createMigration(transaction, changes, {
      id: null,
      instanceId,
      destinationId: destination?.id ?? null,
      settings: settings(),
      backends: {},
      drainId: null,
      ...change,
    }),
  );
}

export function settings(change = {}): NewMigration['settings'] {
  return {
    connections: 2,
    bandwidthBytesPerSecond: null,
    maxDowntimeMs: 100,
    maxRounds: 60,
    timeoutMs: 3_600_000,
    verify: false,
    ...change,
  };
}

export async function requestCancel(database: Database, id: string): Promise<void> {
  await database.run((db) =>
    db.updateTable('migrations').set({ cancel_requested: true, run_at: now }).where('id', '=', id).execute(),
  );
}

export async function read(database: Database, id: string): Promise<MigrationRecord> {
  const record = await database.run((db) => readMigration(db, id));
  if (record === null) throw new Error(`no migration ${id}`);
  return record;
}

/** What must be left of a migration that has ended: nothing but its rows. */
export async function leftovers(database: Database): Promise<{ reservations: number; marked: number }> {
  const reservations = await database.run((db) => db.selectFrom('reservations').select('id').execute());
  const marked = await database.run((db) =>
    db.selectFrom('instances').select('id').where('migration_id', 'is not', null).execute(),
  );
  return { reservations: reservations.length, marked: marked.length };
}

export async function vmmOf(
  database: Database,
  instanceId: string,
): Promise<{ hostId: string; life: string }> {
  const row = await database.run((db) =>
    db
      .selectFrom('instances')
      .innerJoin('vmms', 'vmms.id', 'instances.vmm_id')
      .select(['vmms.host_id', 'vmms.life'])
      .where('instances.id', '=', instanceId)
      .executeTakeFirstOrThrow(),
  );
  return { hostId: row.host_id, life: row.life };
}
