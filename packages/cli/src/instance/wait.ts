import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError, type ControlPlaneClient } from '@drover/client';
import type { FleetInstance } from '@drover/protocol';
import { formatDuration } from '@drover/types';
import { cliErrors } from '../errors.js';

const POLL_MS = 200;

/**
 * Resolves with the instance once it is what it shall be. Errors: the instance's own problem where trying again does not help;
 * `cli-wait-ended` after `timeoutMs` or when `signal` aborts; those of reading it.
 */
export function waitUntilReached(
  client: ControlPlaneClient,
  { id, name }: Pick<FleetInstance, 'id' | 'name'>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<FleetInstance> {
  return poll(`${name} is not yet what it shall be`, timeoutMs, signal, async () => {
    const instance = await client.getInstance(id);
    if (instance.problem !== null && !instance.problem.retryable) throw new ApiError(instance.problem, 500);
    return isReached(instance) ? instance : null;
  });
}

/** Resolves once there is no such instance. Errors: as {@link waitUntilReached}. */
export async function waitUntilGone(
  client: ControlPlaneClient,
  name: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  await poll(`${name} is still there`, timeoutMs, signal, async () => {
    try {
      const { problem } = await client.getInstance(name);
      if (problem !== null && !problem.retryable) throw new ApiError(problem, 500);
      return null;
    } catch (thrown) {
      if (thrown instanceof ApiError && thrown.code === 'instance-not-found') return true;
      throw thrown;
    }
  });
}

function isReached({ desired, vmm, migrationId }: FleetInstance): boolean {
  if (migrationId !== null) return false;
  const life = vmm?.state.life ?? null;
  if (desired === 'running') return life === 'running' && vmm?.current === true;
  return desired === 'stopped' && (life === null || life === 'stopped' || life === 'failed');
}

async function poll<T>(
  unfinished: string,
  timeoutMs: number,
  signal: AbortSignal,
  look: () => Promise<T | null>,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (signal.aborted || Date.now() + POLL_MS > deadline) {
      const why = signal.aborted ? '' : ` after ${formatDuration(timeoutMs)}`;
      throw cliErrors.error('cli-wait-ended', `${unfinished}${why}; the control plane goes on with it.`);
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}
