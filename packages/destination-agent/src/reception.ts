/**
 * How a guest comes in, from an accepted PREPARE to READY on disk: one pass down, each wait with a deadline and an end when the
 * session is interrupted. What it took is given back by {@link Reception.release}, whatever happened.
 */
import { randomBytes } from 'node:crypto';
import { type BulkReceiver, Counter, type NativeError, native } from '@drover/native';
import type { ControlChannel } from '@drover/protocol';
import { type Interruption, type MigrationPhase, withDeadline } from '@drover/types';
import type { Vmm } from '@drover/vmm';
import type { Logger } from 'pino';
import { type Accepted, checkVmm } from './check-prepare.js';
import type { DestinationDeadlines } from './deadlines.js';
import { Deferred } from './deferred.js';
import { destinationErrors } from './errors.js';
import type { DestinationHost, DestinationJournal } from './host.js';
import { ReceiveProgress } from './progress.js';
import type { SessionEvent } from './states.js';

/** Most device state that is taken, bytes. */
export const STATE_LIMIT_BYTES = 256n << 20n;
/** Own threads that take the digest. */
const DIGEST_THREADS = 2;

/** What the session lends to its reception. */
export interface ReceptionContext {
  readonly host: DestinationHost;
  readonly deadlines: DestinationDeadlines;
  readonly journal: DestinationJournal;
  readonly interruption: Interruption;
  readonly log: Logger;
  /** Takes a step of the state table. */
  advance(event: SessionEvent): void;
  /** The VMM is there; from here the session destroys it. */
  made(vmm: Vmm): void;
  /** The guest stands still, or will in a moment, and waits for this process. */
  hurry(): void;
}

export interface Switchover {
  readonly lastRound: number;
  readonly verify: boolean;
}

export class Reception {
  readonly #switchover = new Deferred<Switchover>();
  readonly #verified = new Deferred<string>();
  readonly #progress: ReceiveProgress;
  #receiver: BulkReceiver | null = null;
  #vmm: Vmm | null = null;
  #unroute: () => void = () => {};

  constructor(
    private readonly context: ReceptionContext,
    private readonly accepted: Accepted,
  ) {
    const { host } = context;
    this.#progress = new ReceiveProgress((progress) => host.onProgress(accepted.migrationId, progress));
  }

  /** Resolves when READY is on disk, with the ms that loading took. The VMM is then paused and complete. */
  async run(channel: ControlChannel): Promise<number> {
    const { context, accepted } = this;
    const { deadlines, interruption, journal } = context;
    await journal.preparing(accepted.epoch);
    const vmm = await this.#makeVmm();
    this.#vmm = vmm;
    await context.host.reached?.('vmm-made');
    checkVmm(vmm, accepted);
    const receiver = this.#openReceiver(vmm);
    const token = randomBytes(32);
    this.#unroute = context.host.routeBulk(token, receiver);
    vmm.memory.populate(accepted.populate).catch((thrown: unknown) => {
      // Only time is lost: what is not populated ahead is populated by the bytes.
      context.log.info({ err: thrown }, 'guest memory was not populated ahead');
    });
    context.advance('prepared');
    await channel.send('prepared', { bulkToken: token.toString('hex'), vmmId: vmm.record.vmmId });

    const stateSocket = await interruption.race(vmm.prepareLoad());
    await this.#bulk(receiver.connectVmm(stateSocket, deadlines.loadMs));
    await this.#bulk(receiver.connected(deadlines.channelsMs));
    const ahead = beginLoading(vmm, receiver, deadlines.roundsMs);
    this.#enter('rounds');
    const { lastRound, verify } = await this.#within(
      'SWITCHOVER',
      this.#switchover.promise,
      deadlines.roundsMs,
    );
    this.#enter('switchover');
    context.hurry();
    receiver.hurry();
    await this.#lastRound(receiver, lastRound);
    if (verify) await this.#compareDigests(channel, vmm);
    await context.host.reached?.('memory-received');
    // It binds nobody before it is said, so that it goes to the disk while the state is loaded. Not sooner: after a restart a VMM shows
    // whether it has its state, and nothing shows whether it has all of its memory.
    const promised = journal.ready(accepted.epoch);
    promised.catch(() => {});
    const loadMs = await this.#load(vmm, receiver, ahead);
    await context.host.reached?.('loaded');
    await promised;
    await context.host.reached?.('ready-journaled');
    // Whoever called it off meanwhile was before READY was announced, so no COMMIT can be on its way.
    interruption.throwIfInterrupted();
    context.advance('loaded');
    interruption.close();
    return loadMs;
  }

  /** What {@link run} leaves for after READY was said. */
  awaitCommit(): void {
    this.#enter('handover');
    this.#progress.stop();
    this.#stopRouting();
  }

  switchover(message: Switchover): void {
    this.#switchover.resolve(message);
  }

  verified(digest: string): void {
    this.#verified.resolve(digest);
  }

  roundDone(pagesRemaining: number): void {
    this.#progress.pagesRemaining = pagesRemaining;
    // It may have been the last but one.
    this.context.hurry();
    this.#vmm?.hurry?.();
    this.context.journal.wakeDisk?.();
  }

  /**
   * Closes the bulk side; the VMM is the session's. Not before the source is done with it: the acknowledgement of the device state may
   * still be on its way when READY is. Idempotent.
   */
  release(): void {
    this.#progress.stop();
    this.#stopRouting();
    this.#receiver?.cancel();
    this.#receiver?.close();
    this.#receiver = null;
  }

  #stopRouting(): void {
    this.#unroute();
    this.#unroute = () => {};
  }

  #enter(phase: MigrationPhase): void {
    this.#progress.phase = phase;
    this.context.host.onPhase(this.accepted.migrationId, phase);
  }

  /** A VMM that comes too late is destroyed when it comes. */
  async #makeVmm(): Promise<Vmm> {
    const { host, interruption, log } = this.context;
    const { migrationId, instanceId, epoch, spec, identity, cpu } = this.accepted;
    this.#enter('preparing');
    const making = host.prepare({
      migrationId,
      instanceId,
      epoch,
      spec,
      identity,
      cpu,
      signal: interruption.signal,
    });
    try {
      const vmm = await interruption.race(making);
      this.context.made(vmm);
      return vmm;
    } catch (thrown) {
      const { teardownMs } = this.context.deadlines;
      const late = making.then((vmm) => vmm.destroy()).catch(() => {});
      await withDeadline(late, teardownMs, () => new Error('late')).catch(() => {
        log.error('a VMM that was called off is still being made; it is destroyed when it comes');
      });
      throw thrown;
    }
  }

  #openReceiver(vmm: Vmm): BulkReceiver {
    const { deadlines, interruption } = this.context;
    const receiver = native().createReceiver({
      memory: vmm.memory,
      connections: this.accepted.connections,
      version: this.accepted.version,
      stallTimeoutMs: deadlines.stallMs,
      stateLimitBytes: STATE_LIMIT_BYTES,
      onFailure: (error) => interruption.interrupt(this.#bulkError(error)),
    });
    this.#receiver = receiver;
    this.#progress.start(receiver.counters);
    return receiver;
  }

  /** Digests our memory, sends it, and waits until the source confirms the same. */
  async #compareDigests(channel: ControlChannel, vmm: Vmm): Promise<void> {
    const { interruption, deadlines } = this.context;
    const { digest } = await interruption.race(vmm.memory.digest(DIGEST_THREADS));
    this.context.advance('digested');
    await channel.send('digest', { digest });
    const confirmed = await this.#within('VERIFIED', this.#verified.promise, deadlines.verifiedMs);
    if (confirmed !== digest) {
      throw destinationErrors.error(
        'digest-differs',
        `The source confirmed the digest ${confirmed} of "${this.accepted.spec.name}", taken here was ${digest}.`,
      );
    }
  }

  /** As long as its bytes come: SWITCHOVER was sent before them, and how much downtime is allowed is for the source to say. */
  async #lastRound(receiver: BulkReceiver, round: number): Promise<void> {
    const { interruption, deadlines } = this.context;
    for (;;) {
      const before = receiver.counters[Counter.wireBytes];
      try {
        await interruption.race(receiver.roundEnded(round, deadlines.lastRoundMs));
        return;
      } catch (cause) {
        interruption.throwIfInterrupted();
        const isLate = cause instanceof Error && 'code' in cause && cause.code === 'native-timeout';
        if (!isLate || receiver.counters[Counter.wireBytes] === before) throw this.#bulkError(cause);
      }
    }
  }

  /** Memory is complete: has the device state loaded, where that was not done ahead; ms that this took. */
  async #load(vmm: Vmm, receiver: BulkReceiver, ahead: LoadingAhead | null): Promise<number> {
    const startedAt = performance.now();
    const { loadMs } = this.context.deadlines;
    const finishing = ahead?.loaded.then((complete) => (complete ? undefined : vmm.loaded(loadMs)));
    const loaded = (finishing ?? vmm.loaded(loadMs)).catch((cause: unknown) => {
      throw destinationErrors.error(
        'device-state-failed',
        `The VMM did not load the device state of "${this.accepted.spec.name}": ${text(cause)}`,
        cause,
      );
    });
    loaded.catch(() => {});
    const delivered = ahead?.delivered ?? receiver.deliverState(loadMs);
    await this.#within('The device state', this.#bulk(delivered), loadMs);
    await this.#within('The device state', loaded, loadMs);
    return performance.now() - startedAt;
  }

  async #bulk<T>(work: Promise<T>): Promise<T> {
    try {
      return await this.context.interruption.race(work);
    } catch (cause) {
      this.context.interruption.throwIfInterrupted();
      throw this.#bulkError(cause);
    }
  }

  #bulkError(cause: NativeError | unknown) {
    return destinationErrors.error(
      'bulk-receive-failed',
      `Receiving the memory of "${this.accepted.spec.name}" failed: ${text(cause)}`,
      cause,
    );
  }

  #within<T>(what: string, work: Promise<T>, ms: number): Promise<T> {
    const late = () =>
      destinationErrors.error(
        'migration-overdue',
        `${what} for "${this.accepted.spec.name}" did not come within ${ms} ms.`,
      );
    return withDeadline(this.context.interruption.race(work), ms, late);
  }
}

interface LoadingAhead {
  /** All of the state was written to the VMM. */
  readonly delivered: Promise<unknown>;
  /** The VMM has loaded it; false where it still waits for memory. */
  readonly loaded: Promise<boolean>;
}

/** Where the VMM can, its state is loaded as it comes, beside the last round. Failures are for whoever waits. */
function beginLoading(vmm: Vmm, receiver: BulkReceiver, timeoutMs: number): LoadingAhead | null {
  if (!vmm.loadAhead) return null;
  const loading = { delivered: receiver.deliverState(timeoutMs), loaded: vmm.loadAhead(timeoutMs) };
  for (const step of Object.values(loading)) step.catch(() => {});
  return loading;
}

function text(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
