/** A host agent as a user runs it: the `drover agent` command in a process of its own, on its host's network. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { AgentClient } from '@drover/client';
import { type Build, thisCheckout } from './build.js';
import type { HostNetwork } from './topology.js';

/** A start takes a second; on a machine whose processors are taken by others, many times that. */
const readyTimeoutMs = 60_000;
const stopTimeoutMs = 20_000;

export interface AgentProcessOptions {
  readonly name: string;
  /** Holds `state`, `run` and `agent.log`; survives restarts. */
  readonly directory: string;
  readonly network: HostNetwork;
  readonly environment?: Readonly<Record<string, string>>;
}

export class AgentProcess {
  readonly #options: AgentProcessOptions;
  #build = thisCheckout;
  #child: ChildProcess | null = null;
  #ready: { url: string; peer: { host: string; port: number } } | null = null;
  /** Of the first start, kept for every later one: who was told them must find the agent there again. */
  #ports = { api: 0, peer: 0 };

  constructor(options: AgentProcessOptions) {
    this.#options = options;
    for (const name of ['state', 'run']) mkdirSync(join(options.directory, name), { recursive: true });
  }

  get name(): string {
    return this.#options.name;
  }

  get runDirectory(): string {
    return join(this.#options.directory, 'run');
  }

  get stateDirectory(): string {
    return join(this.#options.directory, 'state');
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`agent ${this.name} is not running`);
    return pid;
  }

  get url(): string {
    if (this.#ready === null) throw new Error(`agent ${this.name} is not running`);
    return this.#ready.url;
  }

  get client(): AgentClient {
    return new AgentClient({ url: this.url });
  }

  /** Starts the command and waits for its ready line. */
  async start(): Promise<void> {
    const { name, directory, network, environment } = this.#options;
    const [command = '', ...prefix] = [
      ...(network.namespace === null ? [] : ['ip', 'netns', 'exec', network.namespace]),
      ...this.#build.command,
    ];
    const log = openSync(join(directory, 'agent.log'), 'a');
    const child = spawn(
      command,
      [
        ...prefix,
        ...['agent', '--name', name, '--state-dir', this.stateDirectory, '--run-dir', this.runDirectory],
        ...['--listen', `${network.apiHost}:${this.#ports.api}`],
        ...['--peer-listen', `${network.peerHost}:${this.#ports.peer}`],
      ],
      { stdio: ['ignore', 'pipe', log], env: { ...process.env, ...environment } },
    );
    closeSync(log);
    this.#child = child;
    const ready = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`agent ${name} said nothing`)), readyTimeoutMs);
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', (line) => {
        clearTimeout(timer);
        resolve(line);
      });
      child.once('exit', (code) => {
        clearTimeout(timer);
        reject(new Error(`agent ${name} ended with ${code}:\n${this.log().slice(-2000)}`));
      });
    });
    const { url, peer } = JSON.parse(ready);
    this.#ready = { url, peer };
    this.#ports = { api: Number(new URL(url).port), peer: peer.port };
  }

  /** Sends a signal and does not wait. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** From now on the agent is of this build: unless it was already, it is ended and started on the same directories. Guests go on (R11). */
  async become(build: Build, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (this.#build === build && this.#ready !== null) return;
    this.#build = build;
    await this.end(signal);
    await this.start();
  }

  /** Ends the agent, politely or not, and waits for it. Guests go on (R11). */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    await ended;
    clearTimeout(timer);
    this.#child = null;
    this.#ready = null;
  }

  /** Resident memory of the agent's own, without the guest memory it maps, MiB. */
  ownMemoryMiB(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    const kib = (field: string) =>
      Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN);
    return (kib('RssAnon') + kib('RssFile')) / 1024;
  }

  get directory(): string {
    return this.#options.directory;
  }

  log(): string {
    return readFileSync(join(this.#options.directory, 'agent.log'), 'utf8');
  }
}
