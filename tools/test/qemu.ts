/** A QEMU for the tests of the guests: started with its consoles on sockets, and ended whatever happens. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const PROGRAM = '/usr/bin/qemu-system-x86_64';
const CONNECT_TIMEOUT_MS = 10_000;
const COMMAND_TIMEOUT_MS = 10_000;

/** Why no QEMU can be run here; null when one can. */
export const qemuMissing: string | null = existsSync(PROGRAM) ? null : `${PROGRAM} is not installed`;

/** Why KVM cannot be used here; null when it can. */
export const kvmMissing: string | null =
  qemuMissing ?? (existsSync('/dev/kvm') ? null : '/dev/kvm is not there');

type Answer = { return?: unknown; error?: { desc: string } };

export class Qemu {
  readonly serial: string;
  readonly memory: string;
  readonly #process: ChildProcess;
  readonly #qmp: string;
  #socket: Socket | null = null;
  #said = '';
  readonly #answers: ((answer: Answer) => void)[] = [];

  private constructor(directory: string, name: string, memoryMiB: number, args: readonly string[]) {
    this.serial = join(directory, `${name}.serial`);
    this.#qmp = join(directory, `${name}.qmp`);
    this.memory = join(directory, `${name}.memory`);
    const common = ['-nodefaults', '-no-reboot', '-display', 'none', '-m', String(memoryMiB)];
    const memory = [
      '-object',
      `memory-backend-file,id=ram,share=on,size=${memoryMiB}M,mem-path=${this.memory}`,
      '-machine',
      'memory-backend=ram',
    ];
    const serial = [
      '-chardev',
      `socket,id=com1,path=${this.serial},server=on,wait=off`,
      '-serial',
      'chardev:com1',
    ];
    const qmp = ['-qmp', `unix:${this.#qmp},server=on,wait=off`];
    this.#process = spawn(PROGRAM, [...common, ...memory, ...serial, ...qmp, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-4096);
    });
  }

  /** Starts a QEMU, paused with `-S` among `args`, and connects to its QMP. */
  static async start(
    directory: string,
    name: string,
    memoryMiB: number,
    args: readonly string[],
  ): Promise<Qemu> {
    const qemu = new Qemu(directory, name, memoryMiB, args);
    try {
      await qemu.#connect();
      return qemu;
    } catch (error) {
      await qemu.stop();
      throw error;
    }
  }

  async command(execute: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const answered = new Promise<Answer>((resolve) => this.#answers.push(resolve));
    this.#socket?.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    const end = new AbortController();
    const late = sleep(COMMAND_TIMEOUT_MS, { error: { desc: 'no answer' } }, { signal: end.signal });
    late.catch(() => {});
    const answer = await Promise.race([answered, late]);
    end.abort();
    if (answer.error !== undefined) throw new Error(`${execute}: ${answer.error.desc} ${this.#said}`);
    return 'return' in answer ? answer.return : undefined;
  }

  /** Waits until QMP's `query` answers with this status. */
  async status(query: 'query-migrate' | 'query-status', wanted: string): Promise<void> {
    for (const end = Date.now() + COMMAND_TIMEOUT_MS; Date.now() < end; await sleep(2)) {
      const answer = (await this.command(query)) as { status?: string };
      if (answer.status === wanted) return;
      if (answer.status === 'failed') throw new Error(`${query}: failed ${this.#said}`);
    }
    throw new Error(`${query} never said ${wanted}`);
  }

  /** Processor time it has used, in seconds, to 10 ms. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8');
    // Behind the name, which may hold spaces: proc(5) counts utime and stime as fields 14 and 15, in 1/100 s.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Ends the process; a second call changes nothing. */
  async stop(): Promise<void> {
    this.#socket?.destroy();
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const closed = once(this.#process, 'close');
    this.#process.kill('SIGKILL');
    await closed;
  }

  /** Waits for the guest to turn itself off. */
  async off(timeoutMs: number): Promise<void> {
    if (this.#process.exitCode !== null) return;
    await once(this.#process, 'close', { signal: AbortSignal.timeout(timeoutMs) });
  }

  async #connect(): Promise<void> {
    for (const end = Date.now() + CONNECT_TIMEOUT_MS; ; await sleep(5)) {
      if (this.#process.exitCode !== null || Date.now() > end)
        throw new Error(`QEMU did not start: ${this.#said}`);
      if (!existsSync(this.#qmp)) continue;
      const socket = createConnection(this.#qmp);
      try {
        await once(socket, 'connect');
      } catch {
        continue;
      }
      this.#socket = socket;
      break;
    }
    this.#socket.on('error', () => {});
    createInterface({ input: this.#socket }).on('line', (line) => {
      const message = JSON.parse(line) as Answer & { event?: string; QMP?: unknown };
      if (message.event === undefined && message.QMP === undefined) this.#answers.shift()?.(message);
    });
    await this.command('qmp_capabilities');
  }
}
