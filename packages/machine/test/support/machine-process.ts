/** Real machine processes for tests, or the reason why there are none. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { native } from '@drover/native';
import {
  LineSplitter,
  MACHINE_LINE_BYTES,
  MACHINE_MEMORY_FD,
  type MachineArguments,
  type MachineEnding,
  type MachineGreeting,
  type MachineRequestName,
  parseMachineLine,
} from '@drover/protocol';
import { describe, onTestFinished } from 'vitest';
import { machineProgram } from '../../src/index.js';

const MIB = 1 << 20;

/** Null where machines run. */
export function whyNoMachine(): string | null {
  // An addon that does not load is a failure, not a host without KVM.
  const addon = native();
  try {
    addon.kvmHost();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export function describeMachine(name: string, tests: () => void): void {
  const why = whyNoMachine();
  describe.skipIf(why !== null)(`${name}${why === null ? '' : ` (skipped: ${why})`}`, tests);
}

/** Gone after the test. Short: unix socket paths must fit. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join('/tmp', 'drm-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export interface MachineProcess {
  readonly child: ChildProcess;
  readonly directory: string;
  readonly socket: string;
  readonly consoleSocket: string;
  /** Of the guest's memory. The test's own. */
  readonly memoryFd: number;
  readonly memoryBytes: number;
  log(): string;
  connect(): Promise<Connection>;
}

/** Starts a process as a host agent does: in a session of its own, with the memory inherited. Killed after the test. */
export async function startProcess({ memoryMiB = 32 } = {}): Promise<MachineProcess> {
  const directory = temporaryDirectory();
  const socket = join(directory, 'm.sock');
  const memoryFd = native().createMemfd('ram', BigInt(memoryMiB * MIB));
  const errors = openSync(join(directory, 'errors'), 'a');
  const stdio: (number | 'ignore')[] = ['ignore', errors, errors];
  stdio[MACHINE_MEMORY_FD] = memoryFd;
  const child = spawn(process.execPath, [machineProgram(), '--socket', socket], { detached: true, stdio });
  closeSync(errors);
  onTestFinished(async () => {
    native().closeFd(memoryFd);
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  await until('the machine listens', () => answers(socket));
  const log = join(directory, 'serial.log');
  return {
    child,
    directory,
    socket,
    memoryFd,
    consoleSocket: join(directory, 'console.sock'),
    memoryBytes: memoryMiB * MIB,
    log: () => (existsSync(log) ? readFileSync(log, 'latin1') : ''),
    connect: () => Connection.open(socket),
  };
}

/** A machine with its VM, and a connection to it. */
export async function startMachine(
  options: { memoryMiB?: number } & Partial<MachineArguments<'configure'>> = {},
): Promise<{ machine: MachineProcess; agent: Connection }> {
  const { memoryMiB = 32, ...configure } = options;
  const machine = await startProcess({ memoryMiB });
  const agent = await machine.connect();
  await agent.ask('configure', {
    memoryBytes: String(machine.memoryBytes),
    cpus: 1,
    tracker: 'kvm-dirty-log',
    consoleSocket: machine.consoleSocket,
    consoleLog: join(machine.directory, 'serial.log'),
    ...configure,
  });
  return { machine, agent };
}

export interface Refused {
  readonly code: string;
  readonly message: string;
}

/** The agent's end of the socket. */
export class Connection {
  readonly socket: Socket;
  readonly endings: MachineEnding[] = [];
  greeting: MachineGreeting | null = null;
  readonly #answers = new Map<number, (answer: unknown) => void>();
  #next = 1;

  private constructor(socket: Socket) {
    this.socket = socket;
    const lines = new LineSplitter(MACHINE_LINE_BYTES);
    socket.on('error', () => {});
    socket.on('data', (piece: Buffer) => {
      for (const line of lines.push(piece) ?? []) this.#take(line);
    });
    onTestFinished(() => void socket.destroy());
  }

  static async open(path: string): Promise<Connection> {
    const socket = createConnection(path);
    const connection = new Connection(socket);
    await once(socket, 'connect');
    await until('the machine greets', () => connection.greeting !== null);
    return connection;
  }

  /** The answer, or the refusal: what it holds tells which. */
  ask<Name extends MachineRequestName>(request: Name, args: MachineArguments<Name>): Promise<unknown> {
    return this.say({ id: this.#next, version: 2, request, arguments: args });
  }

  say(line: object): Promise<unknown> {
    const id = this.#next++;
    this.socket.write(`${JSON.stringify(line)}\n`);
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }

  #take(line: string): void {
    const message = parseMachineLine(line);
    if (message === null) throw new Error(`the machine said ${line}`);
    if (message.kind === 'greeting') this.greeting = message.greeting;
    else if (message.kind === 'event') this.endings.push(message.data as MachineEnding);
    else if (message.kind === 'answer') this.#answers.get(message.id)?.(message.answer);
    else this.#answers.get(message.id)?.({ code: message.code, message: message.message });
  }
}

/** The file of a socket is there a moment before anybody listens on it. */
async function answers(path: string): Promise<boolean> {
  const socket = createConnection(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Polls until `condition` holds; fails after `seconds`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  seconds = 15,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(5);
  }
}
