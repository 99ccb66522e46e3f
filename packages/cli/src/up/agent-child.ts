import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { AgentClient } from '@drover/client';
import { cliErrors } from '../errors.js';

const program = fileURLToPath(new URL('../../bin/drover.mjs', import.meta.url));

/** An agent has nothing to wait for when it starts, ms. */
const READY_TIMEOUT_MS = 30_000;
/** Longer than an agent takes to close, ms. */
const STOP_TIMEOUT_MS = 25_000;
const LAST_LINES = 3;

/** `drover agent` as a process of its own. It ends when this process does, however that ends; its guests go on. */
export interface AgentChild {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  readonly log: string;
  readonly client: AgentClient;
  /** Resolves with how it ended, as the end of a sentence. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts an agent on loopback, on ports that the kernel chooses, and waits until it is ready. Its state and log are kept in `directory`,
 * which must be short, for sockets are made in it. Errors: `cli-up-failed`, with the last lines of its log.
 */
export async function startAgentChild(
  name: string,
  directory: string,
  controlPlane: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<AgentChild> {
  mkdirSync(directory, { recursive: true });
  const log = join(directory, 'agent.log');
  const flags = {
    '--name': name,
    '--state-dir': join(directory, 'state'),
    '--run-dir': join(directory, 'run'),
    '--listen': '127.0.0.1:0',
    '--peer-listen': '127.0.0.1:0',
    '--control-plane': controlPlane,
  };
  const output = openSync(log, 'a');
  const child = spawn(process.execPath, [program, 'agent', ...Object.entries(flags).flat()], {
    stdio: ['ignore', 'pipe', output, 'ipc'],
    // A Ctrl-C at the terminal is for this process, which then ends its agents in order.
    detached: true,
    env: { ...environment },
  });
  closeSync(output);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be run (${error.message})`));
    child.once('close', (code, signal) => resolve(`ended with ${signal ?? `exit code ${code}`}`));
  });
  const stop = async () => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  };
  try {
    const url = await readyUrl(child, ended);
    return { name, url, pid: child.pid ?? 0, log, client: new AgentClient({ url }), ended, stop };
  } catch (thrown) {
    await stop();
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw cliErrors.error(
      'cli-up-failed',
      `Agent ${name} did not start: it ${reason}; see ${log}: ${await lastLines(log)}`,
      thrown,
    );
  }
}

/** Rejects with the end of a sentence. */
async function readyUrl(child: ChildProcess, ended: Promise<string>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`was not ready within ${READY_TIMEOUT_MS} ms`)),
      READY_TIMEOUT_MS,
    );
  });
  const line = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout as Readable }).once('line', resolve);
  });
  const early = ended.then((how) => Promise.reject(new Error(how)));
  // Nobody waits for it any more once the line is there.
  early.catch(() => undefined);
  try {
    const ready = JSON.parse(await Promise.race([line, early, late])) as { readonly url: string };
    return ready.url;
  } finally {
    clearTimeout(timer);
  }
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-LAST_LINES).join(' ') || 'it is empty';
}
