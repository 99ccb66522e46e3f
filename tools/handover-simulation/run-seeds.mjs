/** Spreads seeds over processes. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** @typedef {Omit<import('./schedule.mjs').Result, 'trace'>} Outcome */

/**
 * Resolves when every seed was run, or when `onResult` answered false. Rejects when a process dies.
 * @param {{ from: number, seeds: number, workers: number, mutation: string | null }} request
 * @param {(result: Outcome) => boolean} onResult
 */
export async function runSeeds({ from, seeds, workers, mutation }, onResult) {
  let stopped = false;
  /** @type {import('node:child_process').ChildProcess[]} */
  const children = [];
  const ends = Array.from({ length: workers }, (_, index) => {
    const args = [from + index, from + seeds, workers].map(String);
    const child = fork(
      fileURLToPath(new URL('worker.mjs', import.meta.url)),
      mutation ? [...args, mutation] : args,
    );
    children.push(child);
    child.on('message', (result) => {
      if (stopped || onResult(/** @type {Outcome} */ (result))) return;
      stopped = true;
      for (const each of children) each.kill('SIGKILL');
    });
    return new Promise((resolve, reject) => {
      child.on('exit', (status, signal) => {
        if (status === 0 || stopped) resolve(undefined);
        else reject(new Error(`a process of the simulation ended with ${signal ?? status}`));
      });
    });
  });
  try {
    await Promise.all(ends);
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}
