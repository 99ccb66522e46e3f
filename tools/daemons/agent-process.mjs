import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentClient } from '@drover/client';
import { startReadyProcess } from './ready-process.mjs';

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
export async function startAgent(name, directory, checkout) {
  mkdirSync(directory, { recursive: true });
  const logFile = join(directory, 'agent.log');
  const lastWords = async () =>
    (await readFile(logFile, 'utf8').catch(() => '')).split('\n').slice(-4).join('\n').trim();
  const flags = {
    '--name': name,
    '--state-dir': join(directory, 'state'),
    '--run-dir': join(directory, 'run'),
    '--listen': '127.0.0.1:0',
    '--peer-listen': '127.0.0.1:0',
  };
  const log = openSync(logFile, 'a');
  try {
    const { pid, ready, stop } = await startReadyProcess(['agent', ...Object.entries(flags).flat()], {
      stderr: log,
      readyTimeoutMs: READY_TIMEOUT_MS,
      stopTimeoutMs: STOP_TIMEOUT_MS,
      ...(checkout === undefined ? {} : { checkout }),
    });
    const { url } = /** @type {{ url: string }} */ (ready);
    return { name, url, pid, client: new AgentClient({ url }), stop, lastWords };
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Error(`Agent ${name} did not start: it ${reason}. ${await lastWords()}`, { cause: thrown });
  } finally {
    closeSync(log);
  }
}
