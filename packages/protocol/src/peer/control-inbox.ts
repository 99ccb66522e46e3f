import { type DroverError, formatDuration } from '@drover/types';
import { PeerRefusal, protocolErrors } from '../errors.js';
import type { MandatoryControlName, ReceivedMessage } from './messages.js';
import { PeerLimits } from './registry.js';

type Mandatory = ReceivedMessage<MandatoryControlName>;

interface Waiter {
  readonly names: readonly MandatoryControlName[];
  settle(outcome: { readonly message: Mandatory } | { readonly error: unknown }): void;
}

/**
 * The mandatory messages of one channel, in order, each taken by the wait whose turn it is. One wait at a time. What was
 * received before the channel ended can still be taken afterwards: a refusal is often followed by the end of the stream.
 */
export class ControlInbox {
  readonly #queue: Mandatory[] = [];
  #waiter: Waiter | null = null;
  #failure: DroverError | null = null;

  /** The failure that this message means for the channel; null when all is well. */
  deliver(received: Mandatory): DroverError | null {
    if (this.#failure !== null) return null;
    if (this.#waiter !== null) return this.#hand(this.#waiter, received);
    if (this.#queue.length >= PeerLimits.queuedMessages) {
      const message = `The peer sent ${this.#queue.length + 1} control messages that nothing here waits for.`;
      return protocolErrors.error('peer-violation', message);
    }
    this.#queue.push(received);
    return null;
  }

  /** Ends every wait, the present one and those to come. Messages already received are kept unless `discard`. */
  fail(error: DroverError, discard: boolean): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    if (discard) this.#queue.length = 0;
    this.#waiter?.settle({ error });
  }

  /** See `ControlChannel.expect`. `onViolation` is told when the message that came is not among `names`. */
  expect(
    names: readonly MandatoryControlName[],
    options: { readonly timeoutMs: number | null; readonly signal?: AbortSignal | undefined },
    onViolation: (error: DroverError) => void,
  ): Promise<Mandatory> {
    if (this.#waiter !== null)
      return Promise.reject(new TypeError('One wait at a time on a control channel.'));
    const { timeoutMs, signal } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => waiter.settle({ error: signal?.reason });
      const timer =
        timeoutMs === null
          ? undefined
          : setTimeout(() => waiter.settle({ error: timedOut(names, timeoutMs) }), timeoutMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      const waiter: Waiter = {
        names,
        settle: (outcome) => {
          if (this.#waiter === waiter) this.#waiter = null;
          clearTimeout(timer);
          signal?.removeEventListener('abort', onAbort);
          if ('message' in outcome) resolve(outcome.message);
          else reject(outcome.error);
        },
      };
      this.#waiter = waiter;
      const next = this.#queue.shift();
      if (next !== undefined) {
        const violation = this.#hand(waiter, next);
        if (violation) onViolation(violation);
      } else if (this.#failure !== null) waiter.settle({ error: this.#failure });
    });
  }

  #hand(waiter: Waiter, received: Mandatory): DroverError | null {
    if (waiter.names.includes(received.name)) {
      waiter.settle({ message: received });
      return null;
    }
    if (received.name === 'refuse') {
      waiter.settle({ error: new PeerRefusal('refuse', received.message) });
      return null;
    }
    if (received.name === 'abort') {
      waiter.settle({ error: new PeerRefusal('abort', { ...received.message, retryable: false }) });
      return null;
    }
    const error = protocolErrors.error(
      'peer-violation',
      `The peer sent ${received.name} where ${orList(waiter.names)} is due.`,
    );
    waiter.settle({ error });
    return error;
  }
}

function timedOut(names: readonly MandatoryControlName[], timeoutMs: number): DroverError {
  const message = `The peer did not send ${orList(names)} within ${formatDuration(timeoutMs)}.`;
  return protocolErrors.error('peer-timeout', message);
}

function orList(names: readonly string[]): string {
  return names.join(' or ');
}
