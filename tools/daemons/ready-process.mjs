import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/**
 * @typedef {object} ReadyProcess
 * @property {number} pid
 * @property {unknown} ready The document that it printed when it was ready.
 * @property {() => Promise<void>} stop Ends it, by force where it does not end by itself.
 */

/**
 * Runs a `drover` command that prints one line of JSON once it is ready, and waits for that line. Rejects with the end of a sentence
 * about "it", when the process is gone.
 *
 * @param {readonly string[]} args
 * @param {object} options
 * @param {'pipe' | number} options.stderr A descriptor, or a pipe for `onWords`.
 * @param {(text: string) => void} [options.onWords]
 * @param {number} options.readyTimeoutMs
 * @param {number} options.stopTimeoutMs Longer than it takes to close.
 * @param {string} [options.checkout] Whose command it is; this one's unless told.
 * @returns {Promise<ReadyProcess>}
 */
export async function startReadyProcess(args, options) {
  const { stderr, onWords, readyTimeoutMs, stopTimeoutMs, checkout = repository } = options;
  const program = join(checkout, 'packages/cli/bin/drover.mjs');
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', stderr],
    // A Ctrl-C at the terminal is for this program, which then ends what it started in order.
    detached: true,
  });
  child.stderr?.setEncoding('utf8').on('data', (text) => onWords?.(text));
  const ended = new Promise((resolve) => child.once('close', resolve));
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    await ended;
    clearTimeout(timer);
  };
  try {
    return { pid: child.pid ?? 0, ready: await readyLine(child, readyTimeoutMs), stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

/**
 * @param {import('node:child_process').ChildProcess} child Its standard output is a pipe.
 * @param {number} timeoutMs
 * @returns {Promise<unknown>}
 */
function readyLine(child, timeoutMs) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`was not ready within ${timeoutMs} ms`)), timeoutMs);
    const settle = () => clearTimeout(timer);
    const lines = createInterface({ input: /** @type {import('node:stream').Readable} */ (child.stdout) });
    lines.once('line', (line) => {
      const document = parse(line);
      // Where it is not, the words that say why come before the end.
      if (document?.ready === true) {
        settle();
        resolve(document);
      } else if (document?.error === undefined) reject(new Error(`said "${line}" instead of being ready`));
    });
    child.once('error', reject);
    // After its last words have been read.
    child.once('close', (code, signal) => {
      settle();
      reject(new Error(`ended with ${signal ?? code}`));
    });
  });
}

/**
 * @param {string} line
 * @returns {{ ready?: unknown, error?: unknown } | null}
 */
function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
