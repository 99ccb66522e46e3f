import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { AgentClient } from '@drover/client';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** An agent has nothing to wait for when it starts, ms. */
const READY_TIMEOUT_MS = 20_000;
/** Longer than an agent takes to close, ms. */
const STOP_TIMEOUT_MS = 25_000;

/**
 * @typedef {object} AgentProcess
 * @property {string} name
 * @property {string} url
 * @property {number} pid
 * @property {AgentClient} client
 * @property {() => Promise<void>} stop Ends it, by force where it does not end by itself.
 * @property {() => Promise<string>} lastWords The end of its log.
 */

/**
 * Starts `drover agent` as a process of its own on loopback, with ports that the kernel chooses, and waits until it is ready.
 *
 * @param {string} name
 * @param {string} directory Gets `state`, `run` and `agent.log` of this agent; must be short, for sockets are made in it.
 * @param {string} [checkout] Whose agent it is; this one's unless told.
 * @returns {Promise<AgentProcess>}
 */
export async function startAgent(name, directory, checkout = repository) {
  const program = join(checkout, 'packages/cli/bin/drover.mjs');
  mkdirSync(directory, { recursive: true });
  const logFile = join(directory, 'agent.log');
  const log = openSync(logFile, 'a');
  const flags = {
    '--name': name,
    '--state-dir': join(directory, 'state'),
    '--run-dir': join(directory, 'run'),
    '--listen': '127.0.0.1:0',
    '--peer-listen': '127.0.0.1:0',
  };
  const child = spawn(process.execPath, [program, 'agent', ...Object.entries(flags).flat()], {
    stdio: ['ignore', 'pipe', log],
    // A Ctrl-C at the terminal is for this program, which then ends its agents in order.
    detached: true,
  });
  closeSync(log);
  const ended = new Promise((resolve) => child.once('close', resolve));
  const lastWords = async () =>
    (await readFile(logFile, 'utf8').catch(() => '')).split('\n').slice(-4).join('\n').trim();
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  };
  try {
    const { url } = await readyLine(child, name);
    return { name, url, pid: child.pid ?? 0, client: new AgentClient({ url }), stop, lastWords };
  } catch (thrown) {
    await stop();
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Error(`Agent ${name} did not start: ${reason}. ${await lastWords()}`, { cause: thrown });
  }
}

/**
 * @param {import('node:child_process').ChildProcess} child Its standard output is a pipe.
 * @param {string} name
 * @returns {Promise<{ url: string }>}
 */
function readyLine(child, name) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`not ready within ${READY_TIMEOUT_MS} ms`)),
      READY_TIMEOUT_MS,
    );
    const lines = createInterface({ input: /** @type {import('node:stream').Readable} */ (child.stdout) });
    lines.once('line', (line) => {
      try {
        resolve(JSON.parse(line));
      } catch {
        reject(new Error(`agent ${name} said "${line}" instead of being ready`));
      }
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`it ended with ${signal ?? code}`)));
    child.once('exit', () => clearTimeout(timer));
    lines.once('line', () => clearTimeout(timer));
  });
}
