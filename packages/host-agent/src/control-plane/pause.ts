import { setTimeout as sleep } from 'node:timers/promises';

/** Rejects when `signal` is aborted first. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal });
}

/** `ms` give or take a fifth, so that the agents of a fleet do not all ask at once. */
export function withJitter(ms: number, random: () => number = Math.random): number {
  return Math.round(ms * (0.8 + 0.4 * random()));
}
