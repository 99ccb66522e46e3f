import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlPlaneClient } from '@drover/client';
import { startControlPlane } from '@drover/control-plane';
import { toErrorBody } from '@drover/types';
import { destination, pino } from 'pino';
import { abortOnInterrupt, type CommandContext, untilAborted } from '../context.js';
import { cliErrors } from '../errors.js';
import { takeItems } from '../fleet/items.js';
import { type AgentChild, startAgentChild } from './agent-child.js';
import { stopGuests } from './guests.js';

export interface UpOptions {
  readonly agents: number;
  readonly directory: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly keepGuests?: boolean;
  readonly json?: boolean;
}

/** Agents register as they start, ms. */
const REGISTER_TIMEOUT_MS = 20_000;
const POLL_MS = 50;

/**
 * Runs a control plane and its agents until Ctrl-C, SIGTERM, or one of them ends by itself; then all of them end, the control plane
 * first, so that it starts no guest again that is stopped here. Errors: `cli-up-failed`, and those of starting a control plane.
 */
export async function runUp(options: UpOptions, context: CommandContext): Promise<void> {
  const directory = resolve(options.directory);
  const { signal, release } = abortOnInterrupt(context);
  const log = join(directory, 'control-plane.log');
  const logger = pino({ level: 'info' }, destination({ dest: log, mkdir: true, sync: true }));
  const say = (line: string) => options.json || context.stdout.write(`${line}\n`);
  const agents: AgentChild[] = [];
  let controlPlane: Awaited<ReturnType<typeof startControlPlane>> | undefined;
  try {
    controlPlane = await startControlPlane(
      // Nothing lies between: a host that is silent for seconds has been ended.
      {
        listen: options.listen,
        database: `pglite:${join(directory, 'database')}`,
        heartbeatMs: 2_000,
        // All hosts are this one machine, and what is tried on it is small.
        placement: { cpuOvercommit: 64 },
      },
      { logger },
    );
    const { url } = controlPlane;
    say(`control plane  ${url}  (log ${log})`);
    const started = await Promise.allSettled(
      agentNames(options.agents).map((name) =>
        startAgentChild(name, join(directory, name), url, agentEnvironment(context)),
      ),
    );
    for (const one of started) if (one.status === 'fulfilled') agents.push(one.value);
    for (const one of started) if (one.status === 'rejected') throw one.reason;
    for (const agent of agents) {
      say(`host ${agent.name.padEnd(8)}  ${agent.url}  (agent ${agent.pid}, log ${agent.log})`);
    }
    const client = new ControlPlaneClient({ url });
    await untilRegistered(client, agents, signal);
    if (options.json) context.stdout.write(`${JSON.stringify(readyDocument(url, agents))}\n`);
    else say(readyText(url, options.keepGuests === true));
    await Promise.race([untilAborted(signal), ...agents.map(failWhenEnded)]);
  } finally {
    // A second Ctrl-C while this goes on changes nothing: it has its deadlines.
    await controlPlane?.close();
    for (const agent of agents) {
      if (options.keepGuests) continue;
      await stopGuests(agent.client).catch((thrown: unknown) => {
        context.stderr.write(`drover: guests of ${agent.name} may go on: ${toErrorBody(thrown).message}\n`);
      });
    }
    await Promise.all(agents.map((agent) => agent.stop()));
    release();
  }
}

/** `a`, `b`, `c` … */
function agentNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => String.fromCharCode('a'.charCodeAt(0) + index));
}

/** What is set for one daemon must not set all of them. */
function agentEnvironment({ environment }: CommandContext): Readonly<Record<string, string | undefined>> {
  const passed = ['DROVER_NATIVE_DIR', 'DROVER_QEMU_BINARY'];
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !name.startsWith('DROVER_') || passed.includes(name)),
  );
}

async function untilRegistered(
  client: ControlPlaneClient,
  agents: readonly AgentChild[],
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + REGISTER_TIMEOUT_MS;
  for (;;) {
    const hosts = await takeItems(client.eachHost({}, { signal }));
    const missing = agents.find(
      ({ name, url }) =>
        !hosts.some((host) => host.name === name && host.url === url && host.description !== null),
    );
    if (missing === undefined || signal.aborted) return;
    if (Date.now() > deadline) {
      throw cliErrors.error(
        'cli-up-failed',
        `Agent ${missing.name} did not register within ${REGISTER_TIMEOUT_MS} ms; see ${missing.log}.`,
      );
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function failWhenEnded({ name, log, ended }: AgentChild): Promise<never> {
  throw cliErrors.error(
    'cli-up-failed',
    `Agent ${name} ${await ended}; see ${log}. Everything else was ended.`,
  );
}

function readyDocument(url: string, agents: readonly AgentChild[]): object {
  return {
    ready: true,
    controlPlane: url,
    hosts: agents.map(({ name, url, pid, log }) => ({ name, url, pid, log })),
  };
}

function readyText(url: string, keepGuests: boolean): string {
  return [
    '',
    `Ready. In another terminal:  export DROVER_CONTROL_PLANE=${url}`,
    '  drover host list',
    '  drover instance create SPEC --start --wait',
    '',
    `Ctrl-C ends all of it; guests are ${keepGuests ? 'kept, and found again by the next "drover up"' : 'stopped'}.`,
  ].join('\n');
}
