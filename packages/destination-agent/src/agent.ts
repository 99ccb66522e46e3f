import type { Socket } from 'node:net';
import { type AnyControlChannel, acceptControl, type ControlChannelSettings } from '@drover/protocol';
import type { Vmm } from '@drover/vmm';
import { Conversation } from './conversation.js';
import { DEFAULT_DESTINATION_DEADLINES, type DestinationDeadlines } from './deadlines.js';
import { destinationErrors } from './errors.js';
import type { DestinationHost, OperatorDecision } from './host.js';
import type { Limits } from './local-windows.js';
import { Session, type SessionIdentity } from './session.js';
import { notHere, Sessions } from './sessions.js';

/** Control connections open at once; further ones are closed unanswered (R6). */
export const MAX_CONTROL_CONNECTIONS = 128;

export interface DestinationOptions extends Limits {
  /** Overrides of single deadlines; for tests and slow hosts. */
  readonly deadlines?: Partial<DestinationDeadlines>;
  /** Signs of life, and how long a source may give none; the protocol's own where left out. */
  readonly channel?: ControlChannelSettings;
}

/** The receiving half of a host agent: takes control connections, and holds the migrations that come in by them. */
export class DestinationAgent {
  readonly #sessions = new Sessions();
  readonly #channels = new Set<AnyControlChannel>();
  readonly #deadlines: DestinationDeadlines;
  #closed = false;

  constructor(
    private readonly host: DestinationHost,
    private readonly options: DestinationOptions = {},
  ) {
    this.#deadlines = { ...DEFAULT_DESTINATION_DEADLINES, ...options.deadlines };
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
    const { host } = this;
    const address = socket.remoteAddress ?? 'unknown';
    const accepted = acceptControl({
      ...this.options.channel,
      socket,
      preamble,
      versions: this.options.peerVersions,
    });
    if (!accepted.ok) {
      host.logger.warn({ err: accepted.error, address }, 'a control connection was refused');
      return;
    }
    const { channel } = accepted;
    this.#channels.add(channel);
    const context = {
      ...{ host, address, limits: this.options },
      ...{ deadlines: this.#deadlines, sessions: this.#sessions },
    };
    await new Conversation(channel, context).run();
    channel.close();
    this.#channels.delete(channel);
  }

  /**
   * Takes up a migration that was READY when an earlier agent stopped (R11): its VMM is paused, and waits on for COMMIT or
   * ABORT from a fresh connection. Its journal already says READY at `epoch`. Throws `migration-exists`.
   */
  restore(identity: SessionIdentity, vmm: Vmm): void {
    this.#sessions.add(new Session(this.host, this.#deadlines, identity, vmm));
  }

  /**
   * An operator's word on a migration that is READY and whose source is lost for good. Errors: `migration-not-here`, and those of
   * {@link Session.decide}.
   */
  async decide(migrationId: string, decision: OperatorDecision, reason: string): Promise<void> {
    const session = this.#sessions.find(migrationId);
    if (session === null) throw notHere(migrationId);
    await session.decide(decision, reason);
  }

  /**
   * Ends every migration that is not READY yet, and every connection. One that is READY stays as it is, VMM and journal, for
   * {@link restore}; letting go of its VMM is the host's.
   */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#sessions.stop(
      destinationErrors.error('destination-stopping', 'The destination agent is stopping; try again later.'),
    );
    for (const channel of this.#channels) channel.close();
  }
}
