/**
 * The control plane: opened in stages, each undone by its own step when a later one fails, and closed in the opposite order.
 *
 * database → tables → hosts and VMMs into memory → events → work (watcher, reconciler, sagas) → API listens
 *
 * Any number of these run on one PostgreSQL; what one was doing when it died is a row with a lease that another takes over.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type ApiServer, startApiServer } from './api/server.js';
import { Drains } from './drains/drains.js';
import { controlPlaneErrors } from './errors.js';
import { ChangeLog } from './events/change-log.js';
import { EventStreams, type SubjectViews } from './events/event-streams.js';
import { EventFeed } from './events/feed.js';
import { AgentPool } from './hosts/agent-pool.js';
import { HostDirectory } from './hosts/directory.js';
import { hostViews } from './hosts/host-view.js';
import { HostLoss } from './hosts/loss.js';
import { Registrar } from './hosts/registration.js';
import { instanceViews } from './instances/instance-view.js';
import { Instances } from './instances/instances.js';
import { Placer } from './instances/place.js';
import { Reconciler } from './instances/reconciler.js';
import { poolAgents } from './migrations/agents.js';
import { Migrations } from './migrations/migrations.js';
import { ReplicaMetrics } from './operations/metrics.js';
import { type CompleteOptions, type ControlPlaneOptions, completeOptions } from './options.js';
import { FleetReader } from './placement/read-fleet.js';
import { Preflights } from './preflight/preflights.js';
import { adoptInstances } from './state/adopt-instances.js';
import { newStateCounters, type StateCounters } from './state/counters.js';
import { Doorbells } from './state/doorbells.js';
import { ReachedHosts } from './state/reached.js';
import { Refresher } from './state/refresher.js';
import { StateWriter } from './state/state-writer.js';
import type { SweepParts } from './state/sweep.js';
import { VmmIndex } from './state/vmm-index.js';
import { vmmViews } from './state/vmm-view.js';
import { Watcher } from './state/watcher.js';
import { Database, type DatabaseOptions, PGLITE_DURABILITY, type Queries } from './store/database.js';
import { migrateSchema } from './store/migrate.js';
import { prune } from './store/prune.js';
import { noteReplica } from './store/replica.js';

export interface ControlPlane {
  readonly replicaId: string;
  /** Of the public API. */
  readonly url: string;
  /** Stops: takes nothing new, lets what is under way come to a rest, and leaves the rest to other replicas. Idempotent. */
  close(): Promise<void>;
}

export interface ControlPlaneSurroundings {
  readonly logger: Logger;
  /** Stands between Kysely and the database; tests take it to be stricter than the database is. */
  readonly wrapDatabase?: DatabaseOptions['wrap'];
}

/** What the API serves and the work is made of. */
export interface ControlPlaneParts {
  readonly replicaId: string;
  readonly options: CompleteOptions;
  readonly logger: Logger;
  readonly database: Database;
  readonly changeLog: ChangeLog;
  readonly feed: EventFeed;
  readonly streams: EventStreams;
  /** Subjects as the public API shows them, by id. */
  readonly views: SubjectViews;
  readonly agents: AgentPool;
  readonly directory: HostDirectory;
  readonly registrar: Registrar;
  readonly loss: HostLoss;
  readonly index: VmmIndex;
  readonly counters: StateCounters;
  readonly metrics: ReplicaMetrics;
  readonly writer: StateWriter;
  readonly refresher: Refresher;
  readonly doorbells: Doorbells;
  readonly watcher: Watcher;
  readonly sweep: SweepParts;
  readonly reconciler: Reconciler;
  readonly instances: Instances;
  readonly preflights: Preflights;
  readonly migrations: Migrations;
  readonly drains: Drains;
  readonly fleet: FleetReader;
  /** Aborted when this replica stops. */
  readonly shutdown: AbortSignal;
  /** Errors: `control-plane-stopping`. */
  refuseWhenStopping(): void;
}

type Undo = (() => Promise<void> | void)[];

/**
 * Errors: `control-plane-options-invalid`, `database-url-invalid`, `database-directory-in-use`, `database-directory-unusable`,
 * `database-unavailable`, `database-migration-failed`, `database-migration-locked`, `listen-address-in-use`, `listen-failed`. On failure nothing
 * is left listening or locked.
 */
export async function startControlPlane(
  given: ControlPlaneOptions,
  surroundings: ControlPlaneSurroundings,
): Promise<ControlPlane> {
  const options = completeOptions(given);
  const undo: Undo = [];
  try {
    return await open(options, surroundings, undo);
  } catch (thrown) {
    for (const step of undo.toReversed()) await step();
    throw thrown;
  }
}

async function open(
  options: CompleteOptions,
  { logger, wrapDatabase }: ControlPlaneSurroundings,
  undo: Undo,
): Promise<ControlPlane> {
  const database = await Database.open({
    url: options.database,
    connections: options.databaseConnections,
    logger,
    wrap: wrapDatabase,
  });
  undo.push(() => database.close());
  if (database.kind === 'pglite') logger.warn(PGLITE_DURABILITY);
  const applied = await migrateSchema(database);
  if (applied.length > 0) logger.info({ applied }, 'the tables were brought to what this release needs');
  const stopping = new AbortController();
  const parts = assemble(options, database, logger, stopping.signal);
  await noteReplica(database, parts.replicaId);
  undo.push(() => parts.metrics.close());
  undo.push(() => stopping.abort());
  const { feed, directory, index } = parts;
  await feed.start();
  undo.push(() => feed.close());
  parts.streams.start();
  await directory.load();
  await index.load(database);
  const stopWork = startWork(parts);
  undo.push(stopWork);
  const api: ApiServer = await startApiServer(parts, options.listen);
  logger.info({ url: api.url, replicaId: parts.replicaId, database: database.kind }, 'control plane ready');
  undo.push(() => api.close(options.shutdownTimeoutMs));
  const close = async (): Promise<void> => {
    logger.info('control plane stopping');
    stopping.abort();
    for (const step of undo.toReversed()) await step();
    logger.info('control plane stopped');
  };
  let closing: Promise<void> | undefined;
  return {
    replicaId: parts.replicaId,
    url: api.url,
    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** Everything that an open database is worked with, at rest. */
export function assemble(
  options: CompleteOptions,
  database: Database,
  logger: Logger,
  shutdown: AbortSignal,
): ControlPlaneParts {
  const replicaId = randomUUID();
  const feed = new EventFeed(database, logger);
  const changeLog = new ChangeLog(database, () => feed.poke());
  const directory = new HostDirectory(database);
  const index = new VmmIndex();
  const counters = newStateCounters();
  const agents = new AgentPool({ ...options.agents, signal: shutdown });
  const adopt = adoptInstances({ database, changeLog, agents, index, logger });
  const writer = new StateWriter({ changeLog, index, counters, agents, adopt, logger });
  const reached = new ReachedHosts(database);
  const sweep: SweepParts = {
    ...{ database, changeLog, agents, directory, reached },
    ...{ writer, index, counters, logger },
  };
  const loss = new HostLoss({
    database,
    changeLog,
    directory,
    index,
    fence: options.fence,
    logger,
    signal: shutdown,
  });
  const workers = Math.max(1, Math.ceil(options.agents.overall / 2));
  const watcher = new Watcher({ parts: sweep, loss, periodMs: options.watchPeriodMs, workers });
  const look = (hostId: string) => watcher.want(hostId);
  const refresher = new Refresher({ agents, directory, writer, counters, logger, workers, vanished: look });
  const doorbells = new Doorbells({ index, refresher, database, counters, logger });
  const registrar = new Registrar({
    database,
    changeLog,
    directory,
    heartbeatMs: options.heartbeatMs,
    registered: look,
  });
  const fleet = new FleetReader(options.placement);
  const placer = new Placer(database, fleet, options.placement);
  const reconciler = new Reconciler({
    replicaId,
    database,
    changeLog,
    agents,
    directory,
    writer,
    placer,
    look,
    logger,
    workers: options.agents.overall,
  });
  const instances = new Instances(database, changeLog, reconciler, placer);
  const metrics = new ReplicaMetrics({
    counters,
    hostStates: () => directory.list().map(({ state }) => state),
    vmms: () => index.size,
    refreshQueue: () => refresher.depth,
    unknownRings: () => doorbells.unknown,
    agentLoad: () => agents.load,
  });
  const sagaAgents = poolAgents(agents, directory);
  const preflights = new Preflights(database, fleet, sagaAgents, options.migrations);
  const drains = new Drains({
    replicaId,
    database,
    changeLog,
    leaseMs: options.migrations.leaseMs,
    begun: () => migrations.kick(),
    logger,
  });
  const migrations: Migrations = new Migrations({
    replicaId,
    database,
    changeLog,
    agents: sagaAgents,
    preflights,
    vmms: {
      async takeIn(hostId, vmms) {
        const host = directory.get(hostId);
        if (host) await writer.store(host, vmms, 'watcher');
      },
    },
    options: options.migrations,
    placement: options.placement,
    drainGoesOn: () => drains.kick(),
    recorded: ({ state, createdAt, report }) =>
      metrics.migrationEnded({
        outcome: state,
        seconds: (Date.now() - createdAt.getTime()) / 1000,
        report,
      }),
    logger,
  });
  const views = subjectViews(database, migrations, drains);
  const streams = new EventStreams(feed, views, options.streamHeartbeatMs, logger);
  feed.read((events) => directory.heed(events));
  return {
    replicaId,
    options,
    logger,
    database,
    changeLog,
    feed,
    streams,
    views,
    agents,
    directory,
    registrar,
    loss,
    index,
    counters,
    metrics,
    writer,
    refresher,
    doorbells,
    watcher,
    sweep,
    reconciler,
    instances,
    preflights,
    migrations,
    drains,
    fleet,
    shutdown,
    refuseWhenStopping() {
      if (!shutdown.aborted) return;
      throw controlPlaneErrors.error(
        'control-plane-stopping',
        'This control plane is stopping; try again once it is back.',
      );
    },
  };
}

function subjectViews(database: Database, migrations: Migrations, drains: Drains): SubjectViews {
  const byId = async <V extends { id: string }>(read: (db: Queries) => Promise<readonly V[]>) =>
    new Map((await database.run(read)).map((view) => [view.id, view]));
  return {
    host: (ids) =>
      byId(async (db) =>
        hostViews(
          db,
          await db
            .selectFrom('hosts')
            .selectAll()
            .where('id', 'in', [...ids])
            .execute(),
        ),
      ),
    instance: (ids) =>
      byId(async (db) =>
        instanceViews(
          db,
          await db
            .selectFrom('instances')
            .selectAll()
            .where('id', 'in', [...ids])
            .execute(),
        ),
      ),
    vmm: (ids) => database.run((db) => vmmViews(db, ids)),
    drain: async (ids) => new Map((await drains.views(ids)).map((view) => [view.id, view])),
    migration: async (ids) => new Map((await migrations.views(ids)).map((view) => [view.id, view])),
  };
}

/** Returns what stops it again. */
function startWork(parts: ControlPlaneParts): () => Promise<void> {
  const { watcher, reconciler, refresher, writer, registrar, doorbells, database, options, replicaId } =
    parts;
  const { migrations, drains } = parts;
  watcher.start();
  reconciler.start();
  migrations.start();
  drains.start();
  const chores = [
    every(parts, 1_000, 'signs of life', () => registrar.flush()),
    every(parts, 1_000, 'hosts that were reached', () => parts.sweep.reached.flush()),
    every(parts, 1_000, 'rings for unknown VMMs', () => doorbells.lookUp()),
    every(parts, 30_000, 'the sign of life of this replica', () => noteReplica(database, replicaId)),
    every(parts, 2_000, 'migrations under way', () => migrations.count()),
    every(parts, 300_000, 'what is kept long enough', () => prune(database, options.keep)),
  ];
  return async () => {
    await Promise.all([
      watcher.close(),
      reconciler.close(),
      refresher.close(),
      migrations.close(),
      drains.close(),
    ]);
    await writer.close();
    await Promise.all(chores);
    await registrar.flush().catch(() => undefined);
  };
}

/** Does a chore again and again until this replica stops; one that fails is done again at its next time. */
async function every(
  { shutdown, logger }: ControlPlaneParts,
  ms: number,
  what: string,
  chore: () => Promise<void>,
): Promise<void> {
  while (!shutdown.aborted) {
    await pause(ms, undefined, { signal: shutdown }).catch(() => undefined);
    if (shutdown.aborted) return;
    await chore().catch((err: unknown) =>
      logger.warn({ err, what }, 'a chore failed and is done again later'),
    );
  }
}
