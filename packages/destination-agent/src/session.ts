/**
 * One incoming migration, from PREPARE to the end of it. `states.ts` says which step is allowed when; here are the effects. It
 * outlives its control connection: once READY, COMMIT and ABORT may come on any.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createUrgency } from '@drover/native';
import type { ControlChannel, ControlMessage } from '@drover/protocol';
import { DroverError, type ErrorBody, Interruption, withDeadline } from '@drover/types';
import type { Vmm } from '@drover/vmm';
import type { Logger } from 'pino';
import type { Accepted } from './check-prepare.js';
import type { DestinationDeadlines } from './deadlines.js';
import { destinationErrors } from './errors.js';
import type { DestinationHost, DestinationJournal, OperatorDecision } from './host.js';
import { Reception } from './reception.js';
import { type SessionEvent, type SessionState, step } from './states.js';

/** Wait between two tries to resume a VMM that is owned, ms. */
const RESUME_RETRY_MS = 50;
/**
 * How long everything that can wait does, once the guest runs here, ms. Its first moments, with every cache cold, still are
 * downtime to whoever waits for it, and they are short of processor time on a host with little to spare.
 */
const FIRST_MOMENTS_MS = 50;

export type Running = ControlMessage<'running'>;

/** Which migration it is; all that is known of one that was READY when an earlier agent stopped. */
export interface SessionIdentity {
  readonly migrationId: string;
  readonly instanceId: string;
  /** What a COMMIT must name. */
  readonly epoch: bigint;
}

export class Session {
  readonly #log: Logger;
  readonly #journal: DestinationJournal;
  readonly #interruption = new Interruption();
  #state: SessionState;
  #vmm: Vmm | null = null;
  #vmmEnd: DroverError | null = null;
  #ignoreVmm: () => void = () => {};
  #reception: Reception | null = null;
  #received: Promise<void> = Promise.resolve();
  #owning: Promise<Running> | null = null;
  #withdrawing: Promise<void> | null = null;
  #onDisk: 'owned' | 'aborted' | null = null;
  #over = false;
  readonly #urgency = createUrgency();
  /** The connection that it came on, or on which it was last spoken of, is there. */
  #connected: boolean;
  /** Does at once what waits for {@link FIRST_MOMENTS_MS} to pass. */
  #finishNow: () => void = () => {};

  constructor(
    private readonly host: DestinationHost,
    private readonly deadlines: DestinationDeadlines,
    readonly identity: SessionIdentity,
    /** The VMM of one that goes on waiting in READY (R4, R11); null for a new one. */
    ready: Vmm | null,
  ) {
    this.#state = ready ? 'ready' : 'preparing';
    this.#connected = ready === null;
    this.#journal = host.journal(identity.migrationId, identity.instanceId);
    this.#log = host.logger.child({ migration: identity.migrationId, instance: identity.instanceId });
    if (ready) this.#own(ready);
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Makes the VMM, receives the guest, and says READY on `channel`; or tears down and says why. Never rejects. */
  receive(channel: ControlChannel, accepted: Accepted): Promise<void> {
    this.#received = this.#receive(channel, accepted);
    return this.#received;
  }

  async #receive(channel: ControlChannel, accepted: Accepted): Promise<void> {
    const reception = new Reception(
      {
        host: this.host,
        deadlines: this.deadlines,
        journal: this.#journal,
        interruption: this.#interruption,
        log: this.#log,
        advance: (event) => this.#advance(event),
        made: (vmm) => this.#own(vmm),
        hurry: () => this.#urgency.begin(),
      },
      accepted,
    );
    this.#reception = reception;
    let loadMs: number;
    try {
      loadMs = await reception.run(channel);
    } catch (thrown) {
      const error = this.#interruption.reason ?? asDroverError(thrown, accepted.spec.name);
      if (this.#state !== 'aborting') this.#advance('failed');
      await this.#tearDown(error);
      const { code, message, retryable } = error.toBody();
      // A source that called it off itself is answered with ABORTED instead.
      if (code !== 'source-aborted')
        await channel.send('refuse', { code, message, retryable }).catch(() => {});
      return;
    }
    // Whether the source gets it cannot be known from here on: READY on disk binds this side until the source speaks (R4).
    const said = channel.send('ready', { loadMs });
    reception.awaitCommit();
    await said.catch((thrown: unknown) => {
      this.#log.warn({ err: thrown }, 'READY could not be sent; waiting for COMMIT or ABORT all the same');
    });
  }

  /** Throws `source-misbehaved` out of turn, like {@link verified}. */
  switchover({ lastRound, verify }: ControlMessage<'switchover'>): void {
    this.#advance('switchover');
    this.#reception?.switchover({ lastRound, verify });
  }

  verified({ digest }: ControlMessage<'verified'>): void {
    this.#advance('verified');
    this.#reception?.verified(digest);
  }

  roundDone({ pagesRemaining }: ControlMessage<'roundDone'>): void {
    this.#reception?.roundDone(Number(pagesRemaining));
  }

  /**
   * The source has relinquished: OWNED goes to disk, then the guest runs. Asked again, it answers again. Throws
   * `handover-epoch-wrong`, `handover-not-allowed`, `destination-vmm-ended`, `destination-journal-failed`; after none of them the
   * guest runs; or `destination-resume-failed`, after which another COMMIT tries again.
   */
  async commit(epoch: bigint): Promise<Running> {
    if (epoch !== this.identity.epoch) {
      throw destinationErrors.error(
        'handover-epoch-wrong',
        `COMMIT names epoch ${epoch}, but the migration was prepared for ${this.identity.epoch}; the VMM stays paused.`,
      );
    }
    if (this.host.reached && this.#state === 'ready') await this.host.reached('commit-received');
    // Its end may not have been told yet: OWNED for a dead VMM would leave the instance without one that can go on (R2).
    if (this.#state === 'ready' && this.#vmm?.isGone?.()) this.#vmmEnd ??= vmmEnded('its process is gone');
    if (this.#state === 'ready' && this.#vmmEnd) {
      this.#advance('failed');
      await this.#withdraw(this.#vmmEnd);
      throw this.#vmmEnd;
    }
    this.#advance('commit', 'handover-not-allowed');
    // Kept once it succeeded: a COMMIT that comes again must not run a guest that somebody has paused since.
    this.#owning ??= this.#takeOver().catch((thrown: unknown) => {
      this.#owning = null;
      throw thrown;
    });
    return this.#owning;
  }

  /** The source calls it off. Resolves when nothing is left and ABORTED is on disk; asked again, it answers again. */
  async abort({ message }: Pick<ErrorBody, 'message'>): Promise<void> {
    const error = destinationErrors.error('source-aborted', `The source ended the migration: ${message}`);
    this.#advance('abort', 'handover-not-allowed');
    if (this.#state === 'withdrawing') return this.#withdraw(error);
    this.#interruption.interrupt(error);
    await (this.#withdrawing ?? this.#received);
    await this.#journalAborted();
  }

  /** The control connection that it came on is gone. Before READY that is the end; after it nothing changes (R4). */
  controlLost(reason: DroverError): void {
    this.#advance('control-lost');
    this.#connected = false;
    if (this.#state === 'ready') this.host.waits(this.identity.migrationId, reason.message);
    if (this.#state !== 'aborting') this.#reception?.release();
    if (this.#state !== 'aborting') return;
    const message = `The source was lost before READY: ${reason.message}`;
    this.#interruption.interrupt(destinationErrors.error('source-lost', message, reason));
  }

  /**
   * An operator's word, for a source that is lost for good. Resolves when it is done. Throws `source-can-be-asked` while the source is connected,
   * `handover-not-allowed` where it is not READY, and what {@link commit} and {@link abort} throw.
   */
  async decide(decision: OperatorDecision, reason: string): Promise<void> {
    if (this.#connected && this.#state === 'ready') {
      throw destinationErrors.error(
        'source-can-be-asked',
        `The source of the migration ${this.identity.migrationId} is connected; it says what becomes of the instance.`,
      );
    }
    this.#log.warn({ decision, reason }, 'an operator declared the source lost');
    if (decision === 'take-over') {
      await this.commit(this.identity.epoch);
      return;
    }
    this.#advance('abort', 'handover-not-allowed');
    await this.#withdraw(
      destinationErrors.error(
        'source-declared-lost',
        `An operator declared the source lost (${reason}) and gave the instance up here.`,
      ),
    );
  }

  /** Something went wrong at this side. Resolves when what follows from it is done. */
  async fail(error: DroverError): Promise<void> {
    this.#advance('failed');
    if (this.#state === 'withdrawing') await this.#withdraw(error);
    else if (this.#state === 'aborting') {
      this.#interruption.interrupt(error);
      await this.#received;
    }
  }

  /** The agent stops: ends what is not READY, and waits for what is between READY and its end. */
  async stop(reason: DroverError): Promise<void> {
    await (this.#owning ?? this.#withdrawing ?? this.fail(reason));
    this.#finishNow();
  }

  async #takeOver(): Promise<Running> {
    const vmm = this.#vmm;
    if (!vmm) throw new Error('a session that is READY has a VMM');
    const startedAt = performance.now();
    if (this.#onDisk !== 'owned') {
      try {
        await this.#journal.owned(this.identity.epoch);
      } catch (cause) {
        this.#advance('journal-failed');
        throw destinationErrors.error(
          'destination-journal-failed',
          `OWNED could not be journaled, so the VMM stays paused: ${text(cause)}`,
          cause,
        );
      }
      this.#onDisk = 'owned';
      this.#advance('journaled');
      this.#ignoreVmm();
    }
    await this.host.reached?.('owned-journaled');
    const journaledAt = performance.now();
    const resumed = await this.#resume(vmm);
    await this.host.reached?.('resumed');
    const running = { journalMs: journaledAt - startedAt, resumeMs: performance.now() - journaledAt };
    this.#finishNow = () =>
      this.#finish({ kind: 'completed', epoch: this.identity.epoch, resumed: resumed === null });
    if (resumed !== null) {
      this.#finishNow();
      throw resumed;
    }
    setTimeout(() => this.#finishNow(), FIRST_MOMENTS_MS);
    // RUNNING is for the source alone, and the guest's processors may be many.
    setImmediate(() => this.#urgency.end());
    this.#vmm = null;
    vmm.announce().catch((thrown: unknown) => this.#log.info({ err: thrown }, 'the guest was not announced'));
    return running;
  }

  /** Null when the guest runs. */
  async #resume(vmm: Vmm): Promise<DroverError | null> {
    const until = performance.now() + this.deadlines.resumeMs;
    for (;;) {
      try {
        await vmm.resume();
        return null;
      } catch (cause) {
        this.#log.error({ err: cause }, 'the VMM is owned and did not resume');
        if (performance.now() + RESUME_RETRY_MS > until) {
          return destinationErrors.error(
            'destination-resume-failed',
            `This host owns the instance, but its VMM did not resume: ${text(cause)}`,
            cause,
          );
        }
        await sleep(RESUME_RETRY_MS);
      }
    }
  }

  /** Leaves READY for good, through the journal: first ABORTED on disk, then the VMM goes (R4). */
  #withdraw(error: DroverError): Promise<void> {
    this.#withdrawing ??= this.#doWithdraw(error).finally(() => {
      this.#withdrawing = null;
    });
    return this.#withdrawing;
  }

  async #doWithdraw(error: DroverError): Promise<void> {
    try {
      await this.#journalAborted();
    } catch (thrown) {
      this.#advance('journal-failed');
      throw thrown;
    }
    this.#advance('journaled');
    await this.#tearDown(error);
  }

  /** From `aborting` to `aborted`. The journal failing is no reason to keep a VMM that never was READY. */
  async #tearDown(error: DroverError): Promise<void> {
    this.#log.warn({ err: error }, 'the incoming migration ended; tearing down');
    await this.#journalAborted().catch(() => {});
    this.#ignoreVmm();
    this.#reception?.release();
    const { teardownMs } = this.deadlines;
    if (this.#vmm) {
      await withDeadline(this.#vmm.destroy(), teardownMs, () => new Error('overdue')).catch(
        (thrown: unknown) =>
          this.#log.error({ err: thrown }, 'the VMM of an ended migration was not destroyed'),
      );
      this.#vmm = null;
    }
    this.#advance('torn-down');
    const kind = error.code === 'source-aborted' ? 'cancelled' : 'failed';
    this.#finish({ kind, error: error.toBody() });
  }

  async #journalAborted(): Promise<void> {
    if (this.#onDisk === 'aborted') return;
    try {
      await this.#journal.aborted();
      this.#onDisk = 'aborted';
    } catch (cause) {
      this.#log.error({ err: cause }, 'ABORTED could not be journaled');
      throw destinationErrors.error(
        'destination-journal-failed',
        `ABORTED could not be journaled: ${text(cause)}`,
        cause,
      );
    }
  }

  #own(vmm: Vmm): void {
    this.#vmm = vmm;
    this.#ignoreVmm = vmm.onEvent(({ kind, message }) => {
      if (kind !== 'exited' && kind !== 'failed') return;
      this.#vmmEnd = vmmEnded(message);
      this.fail(this.#vmmEnd).catch(() => {});
    });
  }

  #finish(ending: Parameters<DestinationHost['ended']>[1]): void {
    if (this.#over) return;
    this.#over = true;
    this.#urgency.end();
    this.#reception?.release();
    // A session answers for long after; what it received with is of no use any more.
    this.#reception = null;
    this.host.ended(this.identity.migrationId, ending);
  }

  /** Takes a step; one that the table does not have changes nothing and is the peer's mistake. */
  #advance(
    event: SessionEvent,
    code: 'source-misbehaved' | 'handover-not-allowed' = 'source-misbehaved',
  ): void {
    const next = step(this.#state, event);
    if (next === null) {
      throw destinationErrors.error(
        code,
        `${event.toUpperCase()} is not allowed while the migration is ${this.#state}; nothing was changed.`,
      );
    }
    this.#state = next;
  }
}

function vmmEnded(how: string): DroverError {
  return destinationErrors.error(
    'destination-vmm-ended',
    `The VMM at the destination ended before the handover: ${how}`,
  );
}

function asDroverError(thrown: unknown, name: string): DroverError {
  if (thrown instanceof DroverError) return thrown;
  const unforeseen = { status: 500, retryable: false, summary: '' };
  return new DroverError('internal', unforeseen, `Receiving "${name}" failed: ${text(thrown)}`, thrown);
}

function text(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
