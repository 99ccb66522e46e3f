/** One control connection: hellos, one request, and what may follow from it. Every answer is written here. */
import {
  type AnyControlChannel,
  type ControlChannel,
  exchangeHellos,
  type PeerHello,
  type ReceivedMessage,
  type ToldMessage,
} from '@drover/protocol';
import { DroverError, toErrorBody } from '@drover/types';
import { checkPrepare, readPrepare } from './check-prepare.js';
import type { DestinationDeadlines } from './deadlines.js';
import type { DestinationHost } from './host.js';
import { type Limits, type LocalWindows, localWindows } from './local-windows.js';
import { readReport } from './read-report.js';
import { Session } from './session.js';
import { notHere, type Sessions } from './sessions.js';

/**
 * What the source may say next; anything else ends the connection.
 *
 * | stage | after |
 * | --- | --- |
 * | fresh | the hellos |
 * | prepared | PREPARE; the migration's own table says which of these is allowed when |
 * | asked | OUTCOME QUERY |
 * | answered | COMMIT, ABORT or a refusal; only a report may still come |
 */
const ALLOWED = {
  fresh: ['prepare', 'commit', 'abort', 'outcomeQuery'],
  prepared: ['switchover', 'verified', 'commit', 'abort'],
  asked: ['commit'],
  answered: [],
} as const;
type Request = ReceivedMessage<(typeof ALLOWED)[keyof typeof ALLOWED][number]>;

export interface ConversationContext {
  readonly host: DestinationHost;
  readonly deadlines: DestinationDeadlines;
  readonly sessions: Sessions;
  readonly limits: Limits;
  /** Where the connection comes from. */
  readonly address: string;
}

/** What the hellos said. */
interface Hellos {
  readonly source: PeerHello;
  readonly us: LocalWindows;
}

export class Conversation {
  readonly #channel: ControlChannel;
  #stage: keyof typeof ALLOWED = 'fresh';
  /** The migration that was prepared or committed on it. */
  #session: Session | null = null;

  constructor(
    private readonly opened: AnyControlChannel,
    private readonly context: ConversationContext,
  ) {
    this.#channel = opened;
    opened.onMessage = (told) => this.#told(told);
  }

  /**
   * Resolves when it is over; never rejects. What is not allowed is not answered: an answer could be taken for a refusal, which
   * says that nothing is left here. For the migration it is then as if the connection was lost.
   */
  async run(): Promise<void> {
    const { host, deadlines, address } = this.context;
    try {
      const hellos = await this.#greet();
      while (this.#stage !== 'answered') {
        // A migration has deadlines of its own; a silent source is noticed by the channel.
        const timeoutMs = this.#stage === 'prepared' ? null : deadlines.helloMs;
        await this.#answer(await this.#channel.expect(ALLOWED[this.#stage], { timeoutMs }), hellos);
      }
      this.#closeSoon();
      await this.#channel.ended;
    } catch (thrown) {
      const error = asDroverError(thrown);
      host.logger.info({ err: error, address }, 'a control connection ended');
      this.#session?.controlLost(error);
    }
  }

  async #greet(): Promise<Hellos> {
    const { host, deadlines, limits } = this.context;
    const us = await localWindows(host, limits);
    return { us, source: await exchangeHellos(this.opened, us, { timeoutMs: deadlines.helloMs }) };
  }

  async #answer(request: Request, hellos: Hellos): Promise<void> {
    const { host, sessions } = this.context;
    switch (request.name) {
      case 'prepare':
        return this.#prepare(request, hellos);
      case 'switchover':
        return this.#session?.switchover(request.message);
      case 'verified':
        return this.#session?.verified(request.message);
      case 'commit': {
        const session = sessions.find(request.message.migrationId);
        if (session === null) return this.#refuse(notHere(request.message.migrationId));
        const running = await session.commit(BigInt(request.message.epoch));
        await this.#channel.send('running', running);
        this.#session = session;
        this.#stage = 'answered';
        return;
      }
      case 'abort': {
        const session = sessions.find(request.message.migrationId);
        if (session === null) return this.#refuse(notHere(request.message.migrationId));
        await session.abort(request.message);
        await this.#channel.send('aborted', {});
        this.#stage = 'answered';
        return;
      }
      case 'outcomeQuery': {
        const { migrationId, instanceId } = request.message;
        const { outcome, epoch } = host.journal(migrationId, instanceId).outcome();
        await this.#channel.send('outcome', { outcome, epoch: String(epoch) });
        this.#stage = outcome === 'ready' ? 'asked' : 'answered';
      }
    }
  }

  /** Starts a migration; what comes of it goes out on the channel while the next messages are read. */
  async #prepare(request: ReceivedMessage<'prepare'>, { source, us }: Hellos): Promise<void> {
    const { host, deadlines, sessions, address } = this.context;
    try {
      const accepted = checkPrepare(readPrepare(request, source), source, us, request.version);
      const session = new Session(host, deadlines, accepted, null);
      sessions.add(session);
      this.#session = session;
      this.#stage = 'prepared';
      const { migrationId, instanceId, spec, epoch } = accepted;
      const { host: hostName, release } = source;
      host.started({ migrationId, instanceId, spec, epoch, source: { hostName, release, address } });
      session.receive(this.#channel, accepted).then(() => {
        if (session.state === 'aborted') this.#closeSoon();
      });
    } catch (thrown) {
      await this.#refuse(asDroverError(thrown));
    }
  }

  /** Only where this side holds nothing of the migration. */
  async #refuse(error: DroverError): Promise<void> {
    const { host, address } = this.context;
    host.logger.info({ err: error, address }, 'a source was refused');
    this.#stage = 'answered';
    const { code, message, retryable } = error.toBody();
    await this.#channel.send('refuse', { code, message: message.slice(0, 4096), retryable });
  }

  #told(told: ToldMessage): void {
    const session = this.#session;
    if (told.name === 'roundDone') session?.roundDone(told.message);
    else if (session?.state === 'owned') {
      this.#keepReport(told, session);
      this.#channel.close();
    }
  }

  /** One that cannot be read is no reason to end what has succeeded. */
  #keepReport(told: ReceivedMessage<'report'>, { identity }: Session): void {
    const { host, address } = this.context;
    try {
      host.onReport(identity.migrationId, readReport(told));
    } catch (thrown) {
      host.logger.warn({ err: thrown, address, migration: identity.migrationId }, 'a report was not kept');
    }
  }

  #closeSoon(): void {
    const timer = setTimeout(() => this.#channel.close(), this.context.deadlines.reportMs);
    this.#channel.ended.then(() => clearTimeout(timer));
  }
}

function asDroverError(thrown: unknown): DroverError {
  if (thrown instanceof DroverError) return thrown;
  const { message } = toErrorBody(thrown);
  return new DroverError('internal', { status: 500, retryable: false, summary: '' }, message, thrown);
}
