import type { Duplex } from 'node:stream';
import { DroverError, formatDuration } from '@drover/types';
import type { CodecError } from '../codec/result.js';
import { protocolErrors } from '../errors.js';
import { closeGently } from './closing.js';
import { ControlFrameDecoder } from './control-frame.js';
import { ControlInbox } from './control-inbox.js';
import { decodeControlMessage, encodeControlMessage } from './control-message.js';
import type {
  ControlMessageInput,
  MandatoryControlName,
  OptionalControlName,
  ReceivedMessage,
} from './messages.js';
import type { ControlName, PeerVersion } from './registry.js';

/** A message of any version that is told rather than waited for. Keepalives are the channel's own. */
export type ToldMessage = ReceivedMessage<Exclude<OptionalControlName, 'keepalive'>>;

export interface ControlChannelSettings {
  /** A keepalive goes out when nothing else did for this long, ms. */
  readonly keepaliveMs?: number;
  /** The peer is given up when nothing came, or it took nothing, for this long, ms. Above the peer's `keepaliveMs`. */
  readonly idleTimeoutMs?: number;
  /** Largest payload accepted, bytes; may only lower the protocol's own limit. */
  readonly limits?: { readonly payloadBytes: number };
  /** Called for each `roundDone` and `report`. */
  readonly onMessage?: ((received: ToldMessage) => void) | null;
}

export interface ControlChannelOptions<V extends PeerVersion> extends ControlChannelSettings {
  /** Both preambles are through; the next byte is the first of a control frame. The channel owns it from here. */
  readonly stream: Duplex;
  /** Of the protocol: what the preambles agreed on. */
  readonly version: V;
}

export interface ExpectOptions {
  /** null: as long as it takes; only for a wait that no time-out may end (R4). The idle time-out still holds. */
  readonly timeoutMs: number | null;
  readonly signal?: AbortSignal | undefined;
}

/**
 * One control connection after its preambles: typed messages both ways, by the table of its version. `ControlChannel` without a version is
 * one of any of them: it sends what every version allows, and what it receives says of which version it is.
 *
 * It ends once, for one reason: `peer-closed`, `peer-silent`, `peer-violation`, or `channel-closed` when this side closed it. Everything
 * that waits then rejects with that error. Nothing that a peer sends is thrown out of it or makes it hold more than one frame and
 * {@link import('./registry.js').PeerLimits.queuedMessages} messages (R6).
 */
export class ControlChannel<out V extends PeerVersion = PeerVersion> {
  readonly version: V;
  /** Resolves with the reason when the channel has ended; never rejects. */
  readonly ended: Promise<DroverError>;
  /** Called for each `roundDone` and `report`; may be replaced at any time. */
  onMessage: ((received: ToldMessage) => void) | null;

  readonly #stream: Duplex;
  readonly #decoder: ControlFrameDecoder;
  readonly #inbox = new ControlInbox();
  readonly #keepaliveMs: number;
  readonly #idleTimeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  #resolveEnded!: (reason: DroverError) => void;
  #failure: DroverError | null = null;
  #sequence = 0;
  #lastSent = performance.now();
  #lastReceived = performance.now();
  /** Sends that the stream has not taken yet. */
  readonly #unsent = new Set<{ readonly since: number; readonly reject: (reason: unknown) => void }>();

  constructor(options: ControlChannelOptions<V>) {
    this.version = options.version;
    this.onMessage = options.onMessage ?? null;
    this.#stream = options.stream;
    this.#decoder = new ControlFrameDecoder(options.limits);
    this.#keepaliveMs = options.keepaliveMs ?? 5_000;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? 20_000;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#stream.on('data', this.#onData);
    this.#stream.on('end', this.#onEnd);
    this.#stream.on('close', this.#onClose);
    // Never removed: a stream without an error listener would end the process.
    this.#stream.on('error', this.#onError);
    this.#timer = setInterval(
      this.#onTick,
      Math.max(1, Math.min(this.#keepaliveMs, this.#idleTimeoutMs) / 4),
    );
    // What ended before this listened will not be told again.
    if (this.#stream.destroyed || this.#stream.readableEnded) queueMicrotask(this.#onEnd);
  }

  /** Why the channel ended; null while it has not. */
  get failure(): DroverError | null {
    return this.#failure;
  }

  /**
   * Sends one message; resolves when the stream has taken it. That the peer has it, only its answer can tell. Errors:
   * `message-unsendable` (nothing was sent, the channel goes on), and those that end the channel.
   */
  async send<Name extends ControlName>(name: Name, message: ControlMessageInput<Name, V>): Promise<void> {
    if (this.#failure) throw this.#failure;
    const frame = encodeControlMessage(this.version, name, message, this.#sequence);
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#lastSent = performance.now();
    await new Promise<void>((resolve, reject) => {
      const unsent = { since: this.#lastSent, reject };
      this.#unsent.add(unsent);
      this.#stream.write(frame, (error) => {
        this.#unsent.delete(unsent);
        if (!error) return resolve();
        this.#end(lost(error), 'destroy');
        reject(this.#failure);
      });
    });
  }

  /**
   * Waits for the next mandatory message. It must be one of `names`; any other is a violation and ends the channel, except a
   * `refuse` or `abort`, which rejects with a {@link import('../errors.js').PeerRefusal} and leaves the channel open for an answer.
   *
   * Errors: `peer-timeout` (the channel goes on), the signal's reason (the channel goes on), the refusal, and those that end
   * the channel. One wait at a time.
   */
  async expect<Name extends MandatoryControlName>(
    names: readonly Name[],
    options: ExpectOptions,
  ): Promise<ReceivedMessage<Name, V>> {
    const received = await this.#inbox.expect(names, options, (error) => this.#end(error, 'destroy'));
    return received as ReceivedMessage<Name, V>;
  }

  /** Ends the channel from this side: what was sent still goes out. Safe to call twice, and after it ended by itself. */
  close(): void {
    this.#end(
      protocolErrors.error('channel-closed', 'This control channel was closed by this side.'),
      'gently',
    );
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#lastReceived = performance.now();
    const { frames, error } = this.#decoder.push(chunk);
    for (const frame of frames) {
      const result = decodeControlMessage<PeerVersion>(this.version, frame);
      if (!result.ok) this.#violation(result.error);
      else if (result.value !== null) this.#receive(result.value);
      if (this.#failure) return;
    }
    if (error) this.#violation(error);
  };

  #receive(received: ReceivedMessage): void {
    switch (received.name) {
      case 'keepalive':
        return;
      case 'roundDone':
      case 'report':
        try {
          this.onMessage?.(received);
        } catch (thrown) {
          // A listener's mistake must not leave through the socket's event and end the process.
          const message = `Handling ${received.name} failed here: ${thrown instanceof Error ? thrown.message : thrown}`;
          this.#end(protocolErrors.error('channel-closed', message, thrown), 'gently');
        }
        return;
      default: {
        const violation = this.#inbox.deliver(received);
        if (violation) this.#end(violation, 'destroy');
      }
    }
  }

  #violation(error: CodecError): void {
    const message = `The peer broke the peer protocol: ${error.path} ${error.message}.`;
    this.#end(protocolErrors.error('peer-violation', message), 'destroy');
  }

  readonly #onEnd = (): void => {
    const how = this.#decoder.insideFrame ? 'in the middle of a message' : 'before the exchange was over';
    this.#end(
      protocolErrors.error('peer-closed', `The peer closed the control connection ${how}.`),
      'destroy',
    );
  };

  /** A stream that is destroyed does not have to call back a write that was on its way. */
  readonly #onClose = (): void => {
    this.#onEnd();
    for (const { reject } of this.#unsent) reject(this.#failure);
    this.#unsent.clear();
  };

  readonly #onError = (error: Error): void => this.#end(lost(error), 'destroy');

  readonly #onTick = (): void => {
    const now = performance.now();
    // Infinity where nothing waits.
    const stuckSince = Math.min(...[...this.#unsent].map(({ since }) => since));
    if (now - stuckSince > this.#idleTimeoutMs) {
      const message = `The peer has taken nothing from the control connection for ${formatDuration(this.#idleTimeoutMs)}.`;
      this.#end(protocolErrors.error('peer-silent', message), 'destroy');
    } else if (now - this.#lastReceived > this.#idleTimeoutMs) {
      // After this process itself was held up, what the peer sent meanwhile is read only after the timers: look once more.
      setImmediate(() => this.#endIfSilent());
    } else if (now - this.#lastSent >= this.#keepaliveMs && this.#unsent.size === 0) {
      // A failure to send has already ended the channel.
      const channel: ControlChannel = this;
      channel.send('keepalive', {}).catch(() => undefined);
    }
  };

  #endIfSilent(): void {
    if (performance.now() - this.#lastReceived <= this.#idleTimeoutMs) return;
    const message = `The peer has sent nothing on the control connection for ${formatDuration(this.#idleTimeoutMs)}.`;
    this.#end(protocolErrors.error('peer-silent', message), 'destroy');
  }

  #end(reason: DroverError, how: 'gently' | 'destroy'): void {
    if (this.#failure) return;
    this.#failure = reason;
    clearInterval(this.#timer);
    this.#stream.off('data', this.#onData);
    this.#stream.off('end', this.#onEnd);
    if (how === 'gently') closeGently(this.#stream);
    else this.#stream.destroy();
    this.#inbox.fail(reason, reason.code !== 'peer-closed');
    this.#resolveEnded(reason);
  }
}

/** A channel of a version that only the peer's preamble decides; its `version` tells which it is. */
export type AnyControlChannel = { readonly [V in PeerVersion]: ControlChannel<V> }[PeerVersion];

/** Makes the channel for the version that was agreed on. */
export function openControlChannel(options: ControlChannelOptions<PeerVersion>): AnyControlChannel {
  switch (options.version) {
    case 1:
      return new ControlChannel({ ...options, version: 1 });
    case 2:
      return new ControlChannel({ ...options, version: 2 });
  }
}

function lost(error: Error): DroverError {
  if (error instanceof DroverError) return error;
  return protocolErrors.error('peer-closed', `The control connection was lost: ${error.message}.`, error);
}
