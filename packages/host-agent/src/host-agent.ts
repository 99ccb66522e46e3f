/**
 * The agent: opened in stages, each undone by its own step when a later one fails, and closed in the opposite order.
 *
 * directories and lock → journal → records → peers listen → VMMs adopted → API listens
 *
 * Peers come before adoption, for the port in use is part of what this host says of itself; control connections wait until
 * adoption is through.
 */
import { networkInterfaces } from 'node:os';
import { DestinationAgent } from '@drover/destination-agent';
import { type PeerVersion, selectPeerVersions } from '@drover/protocol';
import type { Host } from '@drover/types';
import {
  allDrivers,
  createMachineDriver,
  createQemuDriver,
  type VmmDriver,
  type VmmDrivers,
} from '@drover/vmm';
import type { Logger } from 'pino';
import { startApiServer } from './api/server.js';
import { ControlPlaneReporting, urlFromOutside } from './control-plane/reporting.js';
import { hostAgentErrors } from './errors.js';
import { showContest } from './instances/contested.js';
import { InstanceLifecycle } from './instances/lifecycle.js';
import { InstanceRegistry } from './instances/registry.js';
import { OwnershipJournal } from './journal/ownership-journal.js';
import { AbortNotices } from './migrations/abort-notices.js';
import type { Holds } from './migrations/holds.js';
import { IncomingMigrations } from './migrations/incoming.js';
import { OutgoingMigrations } from './migrations/outgoing.js';
import type { ResolveParts } from './migrations/resolve.js';
import { MigrationStore } from './migrations/store.js';
import { AgentMetrics } from './operations/metrics.js';
import { type CompleteOptions, completeOptions, type HostAgentOptions } from './options.js';
import { BulkRoutes } from './peers/bulk-routes.js';
import { channelSettings, destinationDeadlines, sourceDeadlines } from './peers/limits.js';
import { listenForPeers } from './peers/peer-server.js';
import { adoptAll } from './restart/adopt.js';
import { endOrphans } from './restart/orphans.js';
import { RunDirectory } from './storage/run-directory.js';
import { StateDirectory } from './storage/state-directory.js';
import { EndedVmms } from './vmms/ended-vmms.js';

export interface HostAgent {
  readonly hostId: string;
  /** Of the HTTP API. */
  readonly url: string;
  /** Where other agents reach this one. */
  readonly peer: { readonly host: string; readonly port: number };
  /**
   * Stops: no new work, migrations that can still be ended are ended, guests run on (R11). Takes at most about
   * `shutdownTimeoutMs`. Idempotent.
   */
  close(): Promise<void>;
}

export interface HostAgentSurroundings {
  readonly logger: Logger;
  /** Default: QEMU and the machine. */
  readonly drivers?: readonly VmmDriver[];
  /** For tests: holds migrations at their steps. */
  readonly holds?: Holds | undefined;
}

/** What the API serves. */
export interface AgentParts {
  readonly hostId: string;
  readonly name: string;
  readonly peer: Host['peer'];
  readonly drivers: readonly VmmDriver[];
  /** Versions of the peer protocol that the operator lets this agent speak; undefined for all. */
  readonly peerVersions: readonly PeerVersion[] | undefined;
  readonly registry: InstanceRegistry;
  readonly lifecycle: InstanceLifecycle;
  readonly outgoing: OutgoingMigrations;
  readonly store: MigrationStore;
  readonly journal: OwnershipJournal;
  readonly driver: VmmDrivers;
  readonly endedVmms: EndedVmms;
  readonly metrics: AgentMetrics;
  /** Tells the receiving half what an operator decided. */
  readonly decideArrival: ResolveParts['decideArrival'];
  readonly logger: Logger;
  /** Errors: `agent-stopping`. */
  refuseWhenStopping(): void;
}

/**
 * Errors: `agent-options-invalid`, `peer-versions-invalid`, `state-directory-in-use`, `state-directory-unusable`, `run-directory-unusable`,
 * `run-directory-too-long`, `journal-damaged`, `journal-missing`, `journal-version-unknown`, `journal-of-another-host`, `journal-write-failed`, `instance-record-damaged`, `listen-address-in-use`, `listen-failed`. On failure nothing is
 * left listening or locked. A host without QEMU is no failure: GET /host says what is missing.
 */
export async function startHostAgent(
  given: HostAgentOptions,
  surroundings: HostAgentSurroundings,
): Promise<HostAgent> {
  const options = completeOptions(given);
  const undo: (() => Promise<void> | void)[] = [];
  try {
    return await open(options, surroundings, undo);
  } catch (thrown) {
    for (const step of undo.toReversed()) await step();
    throw thrown;
  }
}

async function open(
  options: CompleteOptions,
  { logger, drivers = everyDriver(options, logger), holds }: HostAgentSurroundings,
  undo: (() => Promise<void> | void)[],
): Promise<HostAgent> {
  const driver = allDrivers(drivers);
  const peerVersions = options.peerVersions && selectPeerVersions(options.peerVersions);
  const state = await StateDirectory.open(options.stateDir);
  undo.push(() => state.close());
  const runDirectory = await RunDirectory.open(options.runDir, state.hostId);
  undo.push(() => runDirectory.close());
  const journal = await OwnershipJournal.open(state.journalFile, {
    hostId: state.hostId,
    mayBegin: !(await state.hasInstances()),
  });
  undo.push(() => journal.close());
  if (journal.wasTorn) logger.warn('the last line of the ownership journal was torn by a crash and is cut');
  const reporting =
    options.controlPlane &&
    new ControlPlaneReporting({
      ...options.controlPlane,
      logger,
      stateOf: (vmmId) => registry.withVmm(vmmId)?.view().state ?? endedVmms.get(vmmId)?.state,
    });
  undo.push(() => reporting?.close());
  const ring = (vmmId: string): void => reporting?.ring(vmmId);
  const registry = new InstanceRegistry(state.instances, logger, ring);
  await registry.load();
  const metrics: AgentMetrics = new AgentMetrics({
    lives: () => registry.list().map(({ snapshot }) => snapshot.life),
    migrations: () => store.list(),
    unacknowledgedVmms: () => endedVmms.list().length,
    reporting: () => reporting,
  });
  undo.push(() => metrics.close());
  const store: MigrationStore = new MigrationStore(
    state.migrations,
    logger,
    ({ role, id }) => {
      const entry = journal.find(role, id);
      return entry && { state: entry.state, epoch: String(entry.epoch) };
    },
    (view) => metrics.migrationEnded(view),
  );
  await store.load();
  const endedVmms: EndedVmms = new EndedVmms({
    directory: state.vmms,
    kept: reporting !== undefined,
    logger,
    onEnded: ring,
  });
  await endedVmms.load(({ state: { vmmId } }) => registry.withVmm(vmmId) !== undefined);

  const stopping = new AbortController();
  const shutdown = stopping.signal;
  const { name, powerDownTimeoutMs } = options;
  const lifecycle = new InstanceLifecycle({
    registry,
    driver,
    runDirectory,
    endedVmms,
    knownEpoch: (id) => journal.knownEpoch(id),
    powerDownTimeoutMs,
    shutdown,
  });
  const ours = { hostName: name, peerVersions, channel: channelSettings(options.limits) };
  const deadlines = sourceDeadlines(options.limits);
  const shared = { ...ours, registry, lifecycle, journal, store, runDirectory, endedVmms, logger };
  const abortNotices = new AbortNotices({
    ...ours,
    directory: store.directory,
    contested: (contest) => {
      showContest(contest, registry, logger).catch((err: unknown) =>
        logger.error({ err }, 'that could not be recorded'),
      );
    },
    deadlines,
    journal,
    logger,
    shutdown,
  });
  const outgoing = new OutgoingMigrations({
    ...shared,
    deadlines,
    abortNotices,
    shutdown,
    reached: holds?.source,
  });
  const bulkRoutes = new BulkRoutes();
  const incoming = new IncomingMigrations({ ...shared, driver, bulkRoutes, reached: holds?.destination });
  const destination = new DestinationAgent(incoming, {
    peerVersions,
    channel: ours.channel,
    deadlines: destinationDeadlines(options.limits),
  });
  undo.push(async () => {
    for (const instance of registry.list()) {
      instance.detach()?.release();
      await instance.flushed();
    }
  });
  /** Ends what can be ended and leaves the rest for the next start. */
  const stopWork = async (): Promise<void> => {
    stopping.abort();
    const arrivals = destination.close().then(() => incoming.settled());
    await within(options.shutdownTimeoutMs, [outgoing.close(), abortNotices.close(), arrivals]);
  };
  undo.push(stopWork);

  let letIn: () => void = () => undefined;
  const adopted = new Promise<void>((resolve) => {
    letIn = resolve;
  });
  const peers = listenForPeers({
    ...options.peerListen,
    handshakeTimeoutMs: options.peerHandshakeTimeoutMs,
    bulkRoutes,
    async acceptControl(socket, preamble) {
      await adopted;
      await destination.accept(socket, preamble);
    },
    logger,
  });
  undo.push(() => peers.close());
  await abortNotices.load();
  await adoptAll({
    ...shared,
    driver,
    outgoing,
    incoming,
    abortNotices,
    restore: (identity, vmm) => destination.restore(identity, vmm),
  });
  await endOrphans({ runDirectory, registry, programs: drivers.map(({ program }) => program), logger });
  letIn();

  const peer = { host: advertised(options.peerListen), port: peers.port };
  const agent: AgentParts = {
    ...shared,
    hostId: state.hostId,
    name,
    peer,
    drivers,
    driver,
    metrics,
    outgoing,
    decideArrival: (id, decision, reason) => destination.decide(id, decision, reason),
    refuseWhenStopping() {
      if (!shutdown.aborted) return;
      throw hostAgentErrors.error(
        'agent-stopping',
        `The agent ${name} is stopping; try again once it is back.`,
      );
    },
  };
  const api = await startApiServer(agent, { ...options.listen, heartbeatMs: options.heartbeatMs });
  const { host } = options.listen;
  const wildcard = host === '0.0.0.0' || host === '::';
  reporting?.start({
    hostId: state.hostId,
    name,
    url: wildcard ? urlFromOutside(api.url, advertised(options.listen)) : api.url,
  });
  logger.info({ url: api.url, peer, hostId: state.hostId }, 'host agent ready');

  undo.push(() => api.close(options.shutdownTimeoutMs));
  const close = async (): Promise<void> => {
    logger.info('host agent stopping');
    // Before the API goes, so that whoever watches a migration sees it end.
    await stopWork();
    for (const step of undo.toReversed()) await step();
    logger.info('host agent stopped; guests run on');
  };
  let closing: Promise<void> | undefined;
  return {
    hostId: state.hostId,
    url: api.url,
    peer,
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function everyDriver({ qemuBinary }: CompleteOptions, logger: Logger): VmmDriver[] {
  return [
    createQemuDriver({ logger, ...(qemuBinary === undefined ? {} : { qemuBinary }) }),
    createMachineDriver({ logger }),
  ];
}

/** Waits for all of `work`, but not longer than `timeoutMs`; what is left goes on by itself and is found again at the next start. */
async function within(timeoutMs: number, work: readonly Promise<unknown>[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([Promise.allSettled(work), deadline]);
  clearTimeout(timer);
}

/** The host that peers are told; for a wildcard address the first of this machine's own that is not its loopback. */
function advertised({ host, advertise }: { host: string; advertise?: string | undefined }): string {
  if (advertise !== undefined) return advertise;
  if (host !== '0.0.0.0' && host !== '::') return host;
  const outward = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4');
  return outward?.address ?? '127.0.0.1';
}
