import { join } from 'node:path';
import { type BulkSender, native } from '@drover/native';
import {
  type AnyControlChannel,
  type ControlChannel,
  type ControlMessage,
  type CpuDefinition,
  IMPLEMENTED_CAPABILITIES,
  type PeerHello,
} from '@drover/protocol';
import { DroverError, type MigrationReport, toErrorBody } from '@drover/types';
import type { DirtyTracker } from '@drover/vmm';
import { openControl } from './control.js';
import { sourceErrors } from './errors.js';
import { type Agreement, agree, writtenDeviceStates } from './negotiate.js';
import { findObstacles } from './obstacles.js';
import { populateRanges } from './populate-ranges.js';
import type { SourceRun } from './run.js';
import { sendReport } from './send-report.js';
import { watchEnd, watchFor } from './watch-control.js';

/** Most device state that is carried, bytes. */
export const STATE_LIMIT_BYTES = 256n << 20n;

/** What a migration works with once both sides are ready to move memory. */
export interface Prepared {
  readonly channel: ControlChannel;
  /** What the destination says next, after SWITCHOVER; already waited for. */
  readonly answer:
    | { readonly name: 'digest'; readonly message: Promise<ControlMessage<'digest'>> }
    | { readonly name: 'ready'; readonly message: Promise<ControlMessage<'ready'>> };
  readonly tracker: DirtyTracker;
  readonly sender: BulkSender;
  /** Of the peer protocol. */
  readonly version: number;
  readonly agreement: Agreement;
  readonly stateSocket: string;
  /** Resolves when the destination has the device state. Waited for from here on, so that the switchover has nothing to begin. */
  readonly stateSent: ReturnType<BulkSender['stateSent']>;
  /** Gives the destination the report, at the very end. */
  sendReport(report: MigrationReport): Promise<void>;
}

/** Refuses what cannot be moved before anybody is asked. Throws `guest-not-running` or the first blocker's code. */
export async function checkMovable(run: SourceRun): Promise<void> {
  const { vmm, instance } = run.migration;
  const obstacles = await run.interruption.race(findObstacles(vmm, instance.name));
  const [first] = obstacles;
  if (!first || first.code === 'guest-not-running') {
    if (first) throw first;
    return;
  }
  const message = `"${instance.name}" cannot be moved: ${obstacles.map((obstacle) => obstacle.message).join(' ')}`;
  throw new DroverError(first.code, { status: 409, retryable: false, summary: '' }, message);
}

/**
 * Phases connecting and preparing: agrees with the destination, has it make a paused VMM, starts tracking and opens the bulk
 * channels. Tracking starts before the first page is read, so nothing written from then on is missed.
 */
export async function prepare(run: SourceRun): Promise<Prepared> {
  const { migration: m, deadlines, interruption } = run;
  const { signal } = interruption;
  await checkMovable(run);

  const { channel: opened, theirs } = await openControl(m.destination, m, deadlines, signal);
  const channel: ControlChannel = opened;
  run.channel = channel;
  watchEnd(run, channel);
  const agreement = await agreeOrRefuse(run, opened, theirs);
  if (agreement.connections < m.settings.connections) {
    m.onNote(`The destination takes ${agreement.connections} connections, not ${m.settings.connections}.`);
  }

  const cpu = await interruption.race(m.vmm.cpu());
  run.progress.enter('preparing');
  run.prepareSent = true;
  await sendPrepare(run, opened, agreement, cpu);
  const { message: prepared } = await channel.expect(['prepared'], {
    timeoutMs: deadlines.prepareMs,
    signal,
  });
  await m.reached?.('prepared');
  const answer: Prepared['answer'] = m.settings.verify
    ? { name: 'digest', message: watchFor(run, channel, 'digest') }
    : { name: 'ready', message: watchFor(run, channel, 'ready') };

  const tracker = await startTracking(run);
  const stateSocket = join(m.runDirectory, `${m.migrationId.slice(0, 8)}.state`);
  const sender = native().createSender({
    memory: m.vmm.memory,
    host: m.destination.host,
    port: m.destination.port,
    connections: agreement.connections,
    version: channel.version,
    token: Buffer.from(prepared.bulkToken, 'hex'),
    connectTimeoutMs: deadlines.connectMs,
    stallTimeoutMs: deadlines.stallMs,
    stateSocket,
    stateLimitBytes: STATE_LIMIT_BYTES,
  });
  run.sender = sender;
  sender.setBandwidth(BigInt(m.settings.bandwidthBytesPerSecond ?? 0));
  await run.bulk(sender.connect());
  await interruption.race(m.vmm.prepareSave(stateSocket));
  run.progress.read(sender.counters);
  const stateSent = sender.stateSent();
  stateSent.catch(() => {});
  return {
    ...{ channel, answer, tracker, sender, version: channel.version, agreement, stateSocket, stateSent },
    sendReport: (report) => sendReport(opened, theirs.migrationReport, report),
  };
}

async function agreeOrRefuse(
  run: SourceRun,
  opened: AnyControlChannel,
  theirs: PeerHello,
): Promise<Agreement> {
  const { instance, settings, vmm, release, hostName, capabilities } = run.migration;
  const channel: ControlChannel = opened;
  try {
    return agree(theirs, {
      source: { host: hostName, release },
      spec: instance.spec,
      connections: settings.connections,
      deviceStates: await run.interruption.race(writtenDeviceStates(vmm, opened, theirs)),
      capabilities: capabilities ?? IMPLEMENTED_CAPABILITIES,
    });
  } catch (thrown) {
    // So that the other side's log says why, too.
    const { code, message, retryable } = toErrorBody(thrown);
    await channel.send('refuse', { code, message: message.slice(0, 4096), retryable }).catch(() => {});
    throw thrown;
  }
}

async function sendPrepare(
  run: SourceRun,
  channel: AnyControlChannel,
  agreement: Agreement,
  cpu: CpuDefinition | null,
): Promise<void> {
  const { migration: m } = run;
  const { identity } = m.vmm.record;
  const prepare = {
    migrationId: m.migrationId,
    instanceId: m.instance.id,
    epoch: String(m.epoch),
    spec: { ...agreement.spec },
    vmm: {
      driver: identity.driver,
      version: identity.version,
      machineType: identity.machineType,
      accelerator: identity.accelerator,
      ramMode: 'external',
    },
    regions: m.vmm.regions.map(({ id, sizeBytes }) => ({ id, sizeBytes: String(sizeBytes) })),
    populate: populateRanges(m.vmm.memory, m.vmm.regions.length),
    connections: agreement.connections,
    verify: m.settings.verify,
  };
  switch (channel.version) {
    case 1:
      return channel.send('prepare', prepare);
    case 2: {
      const { deviceStates, capabilities } = agreement;
      return channel.send('prepare', {
        ...prepare,
        deviceStates: { ...deviceStates },
        capabilities: [...capabilities],
        cpu,
      });
    }
  }
}

/**
 * A device that has pages pinned when they are write-protected writes past the tracker. Where devices pin, the guest
 * therefore stands still, its I/O drained, while the first protection is set, as in every later round.
 */
async function startTracking(run: SourceRun): Promise<DirtyTracker> {
  const tracker = run.migration.vmm.tracker();
  run.tracker = tracker;
  if (tracker.needsQuiescedRounds) await run.pauseGuest();
  try {
    await tracker.start();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw sourceErrors.error(
      'tracker-failed',
      `Tracking the memory of ${run.label} could not start: ${why}`,
      cause,
    );
  }
  if (run.pausedByUs) await run.resumeGuest();
  run.interruption.throwIfInterrupted();
  return tracker;
}
