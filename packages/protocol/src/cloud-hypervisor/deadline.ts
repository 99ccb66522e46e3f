import { type DroverError, formatDuration } from '@drover/types';
import { protocolErrors } from '../errors.js';

/** How long each kind of wait may take, ms. */
export interface Deadlines {
  /** For the other side's next request. */
  readonly requestMs: number;
  /** Without any byte moving, where bytes are due. */
  readonly stallMs: number;
  /** For the answer to a request, once all of it was sent. */
  readonly answerMs: number;
  /** For this side's own work on a request: to make the guest, to restore it, to let it run. */
  readonly workMs: number;
}

/** A receiver's `workMs` is below its sender's `answerMs`, so that a failure is told and not guessed. */
export const WIRE_DEADLINES: Deadlines = {
  ...{ requestMs: 120_000, stallMs: 30_000, answerMs: 90_000, workMs: 60_000 },
};

export interface Wait {
  readonly ms: number;
  /** Who is to do it; default: the other side. */
  readonly by?: 'this side';
  /** What did not happen, as the end of a sentence: `send its next request`. */
  readonly what: string;
  /** null: this wait is not cancelled, it ends by itself or by its deadline. */
  readonly signal: AbortSignal | null;
}

/**
 * Settles as `act` does; rejects after `ms` of silence with `cloud-hypervisor-timeout`, or with the signal's reason, even if `act` takes no
 * notice. `act` puts the deadline off by calling `moved`.
 */
export async function within<T>(
  wait: Wait,
  act: (signal: AbortSignal, moved: () => void) => Promise<T>,
): Promise<T> {
  const { ms, by = 'the other side', what, signal } = wait;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const cancel = () => controller.abort(signal?.reason);
  const timer = setTimeout(() => controller.abort(late(by, what, ms)), ms);
  const stopped = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
  });
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await Promise.race([act(controller.signal, () => timer.refresh()), stopped]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', cancel);
  }
}

function late(by: string, what: string, ms: number): DroverError {
  const message = `The migration was given up: ${by} did not ${what} within ${formatDuration(ms)}.`;
  return protocolErrors.error('cloud-hypervisor-timeout', message);
}
