/** One control connection: hellos, one request, and what may follow from it. Every answer is written here. */
import type { ControlChannel, ControlMessage, ReceivedMessage, ToldMessage } from '@drover/protocol';
import { DroverError, migrationReportSchema, toErrorBody } from '@drover/types';
import { checkPrepare } from './check-prepare.js';
import type { DestinationDeadlines } from './deadlines.js';
import type { DestinationHost } from './host.js';
import { type Hello, ourHello } from './negotiate.js';
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
  /** Where the connection comes from. */
  readonly address: string;
}

export class Conversation {
  #stage: keyof typeof ALLOWED = 'fresh';
  /** The migration that was prepared or committed on it. */
  #session: Session | null = null;

  constructor(
    private readonly channel: ControlChannel,
    private readonly context: ConversationContext,
  ) {
    channel.onMessage = (told) => this.#told(told);
  }

  /**
   * Resolves when it is over; never rejects. What is not allowed is not answered: an answer could be taken for a refusal, which
   * says that nothing is left here. For the migration it is then as if the connection was lost.
   */
  async run(): Promise<void> {
    const { host, deadlines, address } = this.context;
    try {
      const source = await this.#greet();
      while (this.#stage !== 'answered') {
        // A migration has deadlines of its own; a silent source is noticed by the channel.
        const timeoutMs = this.#stage === 'prepared' ? null : deadlines.helloMs;
        await this.#answer(await this.channel.expect(ALLOWED[this.#stage], { timeoutMs }), source);
      }
      this.#closeSoon();
      await this.channel.ended;
    } catch (thrown) {
      const error = asDroverError(thrown);
      host.logger.info({ err: error, address }, 'a control connection ended');
      this.#session?.controlLost(error);
    }
  }

  async #greet(): Promise<Hello> {
    const { host, deadlines } = this.context;
    await this.channel.send('hello', ourHello(host.release, host.hostName));
    return (await this.channel.expect(['hello'], { timeoutMs: deadlines.helloMs })).message;
  }

  async #answer(request: Request, source: Hello): Promise<void> {
    const { host, sessions } = this.context;
    switch (request.name) {
      case 'prepare':
        return this.#prepare(request.message, source);
      case 'switchover':
        return this.#session?.switchover(request.message);
      case 'verified':
        return this.#session?.verified(request.message);
      case 'commit': {
        const session = sessions.find(request.message.migrationId);
        if (session === null) return this.#refuse(notHere(request.message.migrationId));
        const running = await session.commit(BigInt(request.message.epoch));
        await this.channel.send('running', running);
        this.#session = session;
        this.#stage = 'answered';
        return;
      }
      case 'abort': {
        const session = sessions.find(request.message.migrationId);
        if (session === null) return this.#refuse(notHere(request.message.migrationId));
        await session.abort(request.message);
        await this.channel.send('aborted', {});
        this.#stage = 'answered';
        return;
      }
      case 'outcomeQuery': {
        const { migrationId, instanceId } = request.message;
        const { outcome, epoch } = host.journal(migrationId, instanceId).outcome();
        await this.channel.send('outcome', { outcome, epoch: String(epoch) });
        this.#stage = outcome === 'ready' ? 'asked' : 'answered';
      }
    }
  }

  /** Starts a migration; what comes of it goes out on the channel while the next messages are read. */
  async #prepare(request: ControlMessage<'prepare'>, source: Hello): Promise<void> {
    const { host, deadlines, sessions, address } = this.context;
    try {
      const accepted = checkPrepare(request, source, this.channel.version);
      const session = new Session(host, deadlines, accepted, null);
      sessions.add(session);
      this.#session = session;
      this.#stage = 'prepared';
      const { migrationId, instanceId, spec, epoch } = accepted;
      const { host: hostName, release } = source;
      host.started({ migrationId, instanceId, spec, epoch, source: { hostName, release, address } });
      session.receive(this.channel, accepted).then(() => {
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
    await this.channel.send('refuse', { ...error.toBody() });
  }

  #told(told: ToldMessage): void {
    const session = this.#session;
    if (told.name === 'roundDone') session?.roundDone(told.message);
    else if (session?.state === 'owned') {
      const report = migrationReportSchema.strip().parse(told.message.report);
      this.context.host.onReport(session.identity.migrationId, report);
      this.channel.close();
    }
  }

  #closeSoon(): void {
    const timer = setTimeout(() => this.channel.close(), this.context.deadlines.reportMs);
    this.channel.ended.then(() => clearTimeout(timer));
  }
}

function asDroverError(thrown: unknown): DroverError {
  if (thrown instanceof DroverError) return thrown;
  const { message } = toErrorBody(thrown);
  return new DroverError('internal', { status: 500, retryable: false, summary: '' }, message, thrown);
}
