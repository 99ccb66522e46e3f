import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from '../guest/run.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const START_TIMEOUT_MS = 10_000;
/** Longer than the longest delay, since every read that waits is answered first. */
const STOP_TIMEOUT_MS = 5_000;

/**
 * @typedef {object} SlowDisk
 * @property {string} path The disk, for QEMU's `-drive file=…,format=raw,cache=none,read-only=on`.
 * @property {() => Promise<void>} stop Unmounts it and ends its process; every read in flight is answered first.
 */

/**
 * Builds the slow disk where needed, and starts it.
 *
 * @param {{ directory: string, mib: number, delayMs: number, signal?: AbortSignal }} options
 *   directory: where it is mounted; made here and removed by `stop`. It must not exist yet or be empty.
 * @returns {Promise<SlowDisk>}
 */
export async function startSlowDisk({ directory, mib, delayMs, signal }) {
  await run('make', ['-s', '-C', here], { signal });
  await mkdir(directory, { recursive: true });
  const program = join(here, 'build/drover-slow-disk');
  const args = ['--mount', directory, '--mib', String(mib), '--delay-ms', String(delayMs)];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said = (said + text).slice(-4096);
    });
  }
  const ended = once(child, 'close');
  ended.catch(() => {});

  const stop = async () => {
    const end = new AbortController();
    child.kill('SIGTERM');
    await Promise.race([ended, sleep(STOP_TIMEOUT_MS, undefined, { signal: end.signal }).catch(() => {})]);
    end.abort();
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await ended;
      // Nobody is left to unmount it; a mount without a server only gives errors.
      await run('umount', ['--lazy', directory]).catch(() => {});
    }
    await rm(directory, { recursive: true, force: true });
  };

  try {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!said.includes('READY\n')) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`The slow disk did not start: ${said.trim()}`);
      await sleep(5, undefined, { signal });
    }
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
  return { path: join(directory, 'disk'), stop };
}
