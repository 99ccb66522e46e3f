/** What keeps a guest from being moved live, as far as its own VMM can tell. */
import { DroverError } from '@drover/types';
import type { Vmm } from '@drover/vmm';
import { sourceErrors } from './errors.js';

/**
 * Each as the error that a migration would end with, the first one first; empty when it can be moved. `guest-not-running`, or the code of a
 * blocker with the sentence of that one.
 */
export async function findObstacles(vmm: Vmm, name: string): Promise<readonly DroverError[]> {
  const status = await vmm.status();
  if (status !== 'running') {
    return [
      sourceErrors.error(
        'guest-not-running',
        `"${name}" is ${status}, and only a running guest is moved live; start or resume it first.`,
      ),
    ];
  }
  return (await vmm.blockers()).map(
    ({ code, message }) => new DroverError(code, { status: 409, retryable: false, summary: '' }, message),
  );
}
