/** Two host agents, ready to move guests between them, and nothing left when they go. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentProcess } from './agent-process.js';
import { joinTwoHosts, type Topology } from './topology.js';

/** Why the hosts share this process's network instead of having their own; null when they have. */
export const namespacesMissing = process.env.DROVER_E2E_NO_NAMESPACES ?? null;

const loopback = { namespace: null, apiHost: '127.0.0.1', peerHost: '127.0.0.1' };

export interface TwoHosts {
  readonly a: AgentProcess;
  readonly b: AgentProcess;
  /** Null where hosts share the loopback device. */
  readonly topology: Topology | null;
  /** Ends agents and guests; then {@link leftovers} must find nothing. */
  close(): Promise<void>;
  /** Processes that still work in the hosts' directories, and files in the run directories: what a clean end leaves empty. */
  leftovers(): string[];
  /** The same where `vmms` VMMs are to be there. */
  strays(vmms: number): string[];
}

/** `environment`: of the agent whose host directory it is given. */
export async function startTwoHosts(
  environment: (hostDirectory: string) => Readonly<Record<string, string>> = () => ({}),
): Promise<TwoHosts> {
  const directory = mkdtempSync(join(tmpdir(), 'dr-'));
  const topology = namespacesMissing === null ? joinTwoHosts() : null;
  const agent = (name: 'a' | 'b') =>
    new AgentProcess({
      name,
      directory: join(directory, name),
      network: topology === null ? loopback : topology[name],
      environment: environment(join(directory, name)),
    });
  const hosts = { a: agent('a'), b: agent('b') };
  const agents = [hosts.a, hosts.b];
  const close = async () => {
    for (const one of agents) {
      await removeInstances(one).catch(() => {
        // The agent is down or its guest is stuck; the processes are ended by id below.
      });
      await one.end('SIGTERM');
    }
    for (const pid of processesIn(directory)) process.kill(pid, 'SIGKILL');
    topology?.remove();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await Promise.all(agents.map((one) => one.start()));
  } catch (error) {
    await close();
    throw error;
  }
  const leftovers = () => [
    ...processesIn(directory)
      .filter((pid) => !agents.some((one) => isRunning(one) && one.pid === pid))
      .map((pid) => `process ${pid}`),
    // Below the run directory an agent keeps one folder of its own; VMMs are in it.
    ...agents.flatMap((one) =>
      readdirSync(one.runDirectory, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.includes('/'))
        .map((name) => join(one.runDirectory, name)),
    ),
  ];
  const strays = (vmms: number) => {
    const processes = processesIn(directory).filter(
      (pid) => !agents.some((one) => isRunning(one) && one.pid === pid),
    );
    // Each VMM has one directory of its own in its agent's.
    const directories = agents.flatMap((one) =>
      readdirSync(one.runDirectory).flatMap((id) =>
        readdirSync(join(one.runDirectory, id)).map((name) => join(id, name)),
      ),
    );
    return [
      ...(processes.length === vmms
        ? []
        : [`${processes.length} VMMs, not ${vmms}: ${processes.join(', ')}`]),
      ...(directories.length === vmms
        ? []
        : [`${directories.length} VMM directories: ${directories.join(', ')}`]),
    ];
  };
  return { ...hosts, topology, close, leftovers, strays };
}

function isRunning(agent: AgentProcess): boolean {
  try {
    return agent.pid > 0;
  } catch {
    return false;
  }
}

/** Stops and deletes every instance of an agent. */
export async function removeInstances(agent: AgentProcess): Promise<void> {
  const items = await agent.client.listInstances();
  for (const { id, state } of items) {
    if (state.life !== 'stopped' && state.life !== 'failed')
      await agent.client.stopInstance(id, { force: true });
    await agent.client.deleteInstance(id);
  }
}

/** Processes whose command line names the directory, other than this one and its parents. */
function processesIn(directory: string): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${directory}/`)) found.push(pid);
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}
