import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlChannel } from '@drover/protocol';
import type { ErrorBody } from '@drover/types';
import type { Logger } from 'pino';
import { openControl, type SourceSide } from './control.js';
import { DEFAULT_SOURCE_DEADLINES, type SourceDeadlines } from './deadlines.js';
import type { PeerAddress } from './migration.js';

/** Wait between two tries to reach a destination that must be told, ms. */
const RETRY_MS = 250;

export interface AbortRequest extends SourceSide {
  readonly migrationId: string;
  readonly destination: PeerAddress;
  readonly logger: Logger;
  /** Ends the tries. */
  readonly signal: AbortSignal;
  readonly deadlines?: Partial<SourceDeadlines>;
}

/** `confirmed`: nothing is left there, or it knows of no such migration. `refusal`: what it had said before, if anything. */
export interface AbortAnswer {
  readonly confirmed: boolean;
  readonly refusal: ErrorBody | null;
}

/**
 * Tells a destination that a migration is off: on `open` where that still works, otherwise on a fresh connection, and again
 * for `tryForMs`. Never rejects.
 *
 * A destination that was not READY tears down by itself when the control connection breaks; only one that is READY must be
 * told. Never to be called once COMMIT may have been sent.
 */
export async function abortDestination(
  request: AbortRequest,
  reason: ErrorBody,
  open: ControlChannel | null,
  tryForMs: number,
): Promise<AbortAnswer> {
  const { abortMs } = { ...DEFAULT_SOURCE_DEADLINES, ...request.deadlines };
  const until = performance.now() + tryForMs;
  if (open) {
    const answer = await attempt(request, () => sendAbort(open, request, reason, abortMs));
    if (answer.confirmed) return answer;
  }
  for (;;) {
    const answer = await attempt(request, () => abortAfresh(request, reason, abortMs));
    if (answer.confirmed || request.signal.aborted || performance.now() + RETRY_MS > until) return answer;
    await sleep(RETRY_MS, undefined, { signal: request.signal }).catch(() => {});
  }
}

async function attempt(request: AbortRequest, tell: () => Promise<ErrorBody | null>): Promise<AbortAnswer> {
  try {
    return { confirmed: true, refusal: await tell() };
  } catch (thrown) {
    request.logger.info(
      { migration: request.migrationId, err: thrown },
      'the destination did not confirm the abort',
    );
    return { confirmed: false, refusal: null };
  }
}

async function abortAfresh(
  request: AbortRequest,
  reason: ErrorBody,
  timeoutMs: number,
): Promise<ErrorBody | null> {
  const times = { connectMs: timeoutMs, helloMs: timeoutMs };
  const { channel } = await openControl(request.destination, request, times, request.signal);
  try {
    await sendAbort(channel, request, reason, timeoutMs);
    // On a connection of its own a refusal is about the ABORT, not about why the migration failed.
    return null;
  } finally {
    channel.close();
  }
}

/** A refusal says just as well that nothing is left. Answers to earlier messages may still be on their way before it. */
async function sendAbort(
  channel: ControlChannel,
  { migrationId }: AbortRequest,
  { code, message }: ErrorBody,
  timeoutMs: number,
): Promise<ErrorBody | null> {
  // Where the connection is gone, a refusal that came before it went can still be read.
  await channel.send('abort', { migrationId, code, message: message.slice(0, 4096) }).catch(() => {});
  for (;;) {
    const answer = await channel.expect(['aborted', 'refuse', 'prepared', 'digest', 'ready'], { timeoutMs });
    if (answer.name === 'aborted') return null;
    if (answer.name === 'refuse') {
      const { code, message, retryable } = answer.message;
      return { code, message, retryable };
    }
  }
}
