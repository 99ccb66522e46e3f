/** Answers control connections: hellos, then PREPARE, COMMIT, ABORT or OUTCOME QUERY, each written back in one place. */
import type { Socket } from 'node:net';
import {
  acceptControl,
  type ControlChannel,
  type ControlMessage,
  type ReceivedMessage,
  type ToldMessage,
} from '@drover/protocol';
import { DroverError, migrationReportSchema, toErrorBody } from '@drover/types';
import type { Vmm } from '@drover/vmm';
import { checkPrepare } from './check-prepare.js';
import { DEFAULT_DESTINATION_DEADLINES, type DestinationDeadlines } from './deadlines.js';
import { destinationErrors } from './errors.js';
import type { DestinationHost } from './host.js';
import { checkHello, type Hello, ourHello } from './negotiate.js';
import { Session, type SessionIdentity } from './session.js';
import { Sessions } from './sessions.js';

/** What a source may send after the hellos; which of it is allowed when, the session's table says. */
const REQUESTS = ['prepare', 'switchover', 'verified', 'commit', 'abort', 'outcomeQuery'] as const;
type Request = ReceivedMessage<(typeof REQUESTS)[number]>;

/** Control connections open at once; further ones are closed unanswered (R6). */
export const MAX_CONTROL_CONNECTIONS = 128;

/** One control connection. */
interface Conversation {
  readonly channel: ControlChannel;
  /** Where it comes from. */
  readonly address: string;
  /** Null before its hello. */
  source: Hello | null;
  /** The migration that was prepared on it, if one was. */
  session: Session | null;
}

export class DestinationAgent {
  readonly #sessions = new Sessions();
  readonly #channels = new Set<ControlChannel>();
  readonly #deadlines: DestinationDeadlines;
  #closed = false;

  constructor(
    private readonly host: DestinationHost,
    deadlines: Partial<DestinationDeadlines> = {},
  ) {
    this.#deadlines = { ...DEFAULT_DESTINATION_DEADLINES, ...deadlines };
  }

  /**
   * Serves one control connection whose 16-byte preamble was already read. Takes the socket over; resolves when the connection
   * has ended, and never rejects. A migration that was READY by then goes on waiting.
   */
  async accept(socket: Socket, preamble: Uint8Array): Promise<void> {
    if (this.#closed || this.#channels.size >= MAX_CONTROL_CONNECTIONS) {
      socket.on('error', () => {}).destroy();
      return;
    }
    const address = socket.remoteAddress ?? 'unknown';
    const accepted = acceptControl({ socket, preamble });
    if (!accepted.ok) {
      this.host.logger.warn({ err: accepted.error, address }, 'a control connection was refused');
      return;
    }
    const { channel } = accepted;
    this.#channels.add(channel);
    try {
      await this.#serve(channel, address);
    } finally {
      channel.close();
      this.#channels.delete(channel);
    }
  }

  /**
   * Takes up a migration that was READY when an earlier agent stopped (R11): its VMM is paused, and waits on for COMMIT or
   * ABORT from a fresh connection. Its journal already says READY at `epoch`.
   */
  restore(identity: SessionIdentity, vmm: Vmm): void {
    this.#sessions.add(new Session(this.host, this.#deadlines, identity, vmm));
  }

  /**
   * Ends every migration that is not READY yet, and every connection. One that is READY stays as it is, VMM and journal, for
   * {@link restore}; letting go of its VMM is the host's.
   */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#sessions.stop(stopping());
    for (const channel of this.#channels) channel.close();
  }

  async #serve(channel: ControlChannel, address: string): Promise<void> {
    const conversation: Conversation = { channel, address, source: null, session: null };
    channel.onMessage = (told) => this.#told(conversation, told);
    try {
      await this.#greet(conversation);
      for (;;) {
        const timeoutMs = conversation.session ? null : this.#deadlines.helloMs;
        await this.#answer(conversation, await channel.expect(REQUESTS, { timeoutMs }));
      }
    } catch (thrown) {
      const error = asDroverError(thrown);
      // A channel that ended by itself has nobody to tell; otherwise this is a refusal, or a request that never came.
      if (channel.failure === null) await channel.send('refuse', { ...error.toBody() }).catch(() => {});
      this.host.logger.info({ err: error, address }, 'a control connection ended');
      conversation.session?.controlLost(error);
    }
  }

  async #greet(conversation: Conversation): Promise<void> {
    const { channel } = conversation;
    await channel.send('hello', ourHello(this.host.release, this.host.hostName));
    const { message } = await channel.expect(['hello'], { timeoutMs: this.#deadlines.helloMs });
    checkHello(message);
    conversation.source = message;
  }

  /** Throws what the source is refused with. */
  async #answer(conversation: Conversation, request: Request): Promise<void> {
    const { channel, session } = conversation;
    switch (request.name) {
      case 'prepare':
        return this.#prepare(conversation, request.message);
      case 'switchover':
        return mine(session, request.name).switchover(request.message);
      case 'verified':
        return mine(session, request.name).verified(request.message);
      case 'commit': {
        const committed = this.#sessions.get(request.message.migrationId);
        const running = await committed.commit(BigInt(request.message.epoch));
        await channel.send('running', running);
        conversation.session = committed;
        // Only the report may still come.
        return this.#closeSoon(channel);
      }
      case 'abort': {
        await this.#sessions.get(request.message.migrationId).abort(request.message);
        return channel.send('aborted', {});
      }
      case 'outcomeQuery': {
        const { migrationId, instanceId } = request.message;
        const { outcome, epoch } = this.host.journal(migrationId, instanceId).outcome();
        return channel.send('outcome', { outcome, epoch: String(epoch) });
      }
    }
  }

  /** Starts a migration; what comes of it goes out on the channel while the next requests are read. */
  #prepare(conversation: Conversation, request: ControlMessage<'prepare'>): void {
    const { channel, source, address } = conversation;
    if (conversation.session || !source) {
      throw destinationErrors.error('source-misbehaved', 'A second PREPARE came on one control connection.');
    }
    if (this.#closed) throw stopping();
    const accepted = checkPrepare(request, source, channel.version);
    const session = new Session(this.host, this.#deadlines, accepted, null);
    this.#sessions.add(session);
    conversation.session = session;
    const { migrationId, instanceId, spec, epoch } = accepted;
    this.host.started({
      migrationId,
      instanceId,
      spec,
      epoch,
      source: { hostName: source.host, release: source.release, address },
    });
    session.receive(channel, accepted).then(() => {
      if (session.state === 'aborted') this.#closeSoon(channel);
    });
  }

  #told(conversation: Conversation, told: ToldMessage): void {
    const { session } = conversation;
    if (told.name === 'roundDone') session?.roundDone(told.message);
    else if (session?.state === 'owned') {
      this.host.onReport(
        session.identity.migrationId,
        migrationReportSchema.strip().parse(told.message.report),
      );
      conversation.channel.close();
    }
  }

  #closeSoon(channel: ControlChannel): void {
    const timer = setTimeout(() => channel.close(), this.#deadlines.reportMs);
    channel.ended.then(() => clearTimeout(timer));
  }
}

/** The migration of this very connection. */
function mine(session: Session | null, name: string): Session {
  if (session) return session;
  throw destinationErrors.error('source-misbehaved', `${name} came before PREPARE on a control connection.`);
}

function stopping(): DroverError {
  return destinationErrors.error(
    'destination-stopping',
    'The destination agent is stopping; try again later.',
  );
}

function asDroverError(thrown: unknown): DroverError {
  if (thrown instanceof DroverError) return thrown;
  const { message } = toErrorBody(thrown);
  return new DroverError('internal', { status: 500, retryable: false, summary: '' }, message, thrown);
}
