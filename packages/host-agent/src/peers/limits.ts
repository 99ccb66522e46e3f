/**
 * How long this host waits for its peers: what an operator sets, as the deadlines of both halves.
 *
 * None of them ends the wait of a destination that is READY, or of a source that has relinquished: those last until they are told (R4).
 */
import type { DestinationDeadlines } from '@drover/destination-agent';
import type { ControlChannelSettings } from '@drover/protocol';
import type { SourceDeadlines } from '@drover/source-agent';
import { z } from 'zod';

const ms = z.int().min(50).max(3_600_000);

export const waitLimitsSchema = z
  .strictObject({
    /** A sign of life goes out on a control connection when nothing else did for this long, ms. */
    keepaliveMs: ms.default(5_000),
    /** A peer that sent nothing, or took nothing, on a control connection for this long is gone, ms. */
    silenceMs: ms.default(20_000),
    /**
     * A transfer of memory that made no progress for this long is stalled, ms: a byte acknowledged is progress, so that a slow link is none. Also
     * TCP_USER_TIMEOUT of its connections.
     */
    stallMs: ms.default(15_000),
    /** To reach a peer, and for its hello, ms each. */
    connectMs: ms.default(10_000),
    /** For the destination to make a VMM, ms. */
    prepareMs: ms.default(60_000),
    /** For each answer that a paused guest waits for, ms. */
    switchoverMs: ms.default(30_000),
    /** Longest wait between two questions to a destination whose word is missing, ms. */
    retryMs: ms.default(5_000),
  })
  .refine(({ keepaliveMs, silenceMs }) => silenceMs >= 2 * keepaliveMs, {
    message: 'must be at least twice keepaliveMs',
    path: ['silenceMs'],
  });
export type WaitLimits = z.output<typeof waitLimitsSchema>;

export function channelSettings({ keepaliveMs, silenceMs }: WaitLimits): ControlChannelSettings {
  return { keepaliveMs, idleTimeoutMs: silenceMs };
}

/** First wait between two questions about an unknown outcome, ms. */
const FIRST_RETRY_MS = 100;

export function sourceDeadlines(limits: WaitLimits): Partial<SourceDeadlines> {
  const { connectMs, prepareMs, stallMs, switchoverMs, retryMs } = limits;
  return {
    connectMs,
    helloMs: connectMs,
    prepareMs,
    stallMs,
    stateMs: switchoverMs,
    readyMs: 2 * switchoverMs,
    runningMs: Math.min(10_000, switchoverMs),
    abortMs: Math.min(3_000, connectMs),
    abortReadyMs: Math.min(15_000, 5 * connectMs),
    queryMs: Math.min(5_000, connectMs),
    queryBackoffMs: [Math.min(FIRST_RETRY_MS, retryMs), retryMs],
  };
}

export function destinationDeadlines(limits: WaitLimits): Partial<DestinationDeadlines> {
  const { connectMs, stallMs, switchoverMs } = limits;
  return {
    helloMs: connectMs,
    channelsMs: 2 * connectMs,
    stallMs,
    lastRoundMs: switchoverMs,
    loadMs: switchoverMs,
    reportMs: Math.min(10_000, connectMs),
  };
}
