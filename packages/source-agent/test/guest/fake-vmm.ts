/** A VMM for tests: the guest of `fake-guest.c`, on real shared memory, tracked by the real tracker through the real shim. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { type DirtyBitmap, type GuestMemory, native, PAGE_SIZE, shimLibraryPath } from '@drover/native';
import type { CpuDefinition } from '@drover/protocol';
import type { Blocker, DirtyTracker, Vmm, VmmEvent, VmmIdentity, VmmRecord, VmmStatus } from '@drover/vmm';

export const IDENTITY: VmmIdentity = {
  driver: 'qemu',
  version: '7.2.22',
  machineType: 'pc-q35-7.2',
  accelerator: 'tcg',
  acceleratorReason: 'a test',
};

export interface FakeVmmOptions {
  readonly instanceId: string;
  readonly directory: string;
  /** Size of the guest's memory, pages. */
  readonly pages: number;
  /** Pages that the guest writes, from the first on, and how many of them a second. */
  readonly workingSet: number;
  readonly rate: number;
  readonly quiesced?: boolean;
  readonly incoming?: boolean;
  readonly regionId?: string;
}

/** What a test changes about a VMM while it runs. A hook may wait, or throw to let the step fail. */
export interface Hooks {
  pause(): Promise<void> | void;
  resume(): Promise<void> | void;
  collect(): Promise<void> | void;
  saveState(): Promise<void> | void;
  loaded(): Promise<void> | void;
}

export class FakeVmm implements Vmm {
  readonly record: VmmRecord;
  readonly memory: GuestMemory;
  readonly consoleSocket = '/nowhere';
  readonly regions: readonly { readonly id: string; readonly sizeBytes: bigint }[];
  readonly hooks: Hooks = { pause() {}, resume() {}, collect() {}, saveState() {}, loaded() {} };
  blockersNow: readonly Blocker[] = [];
  /** What saving it writes. */
  statesNow: Readonly<Record<string, number>> = { 'qemu/virtio-net': 11 };
  /** What its guest was promised. */
  cpuNow: CpuDefinition | null = null;
  /** When it was paused and resumed, `performance.now()`. */
  readonly times: { kind: 'paused' | 'resumed'; at: number }[] = [];
  /** Digest of all memory at the moment before the guest first ran here. */
  digestAtResume: string | null = null;
  destroyed = false;
  trackers = 0;
  #running = false;
  #gone = false;
  #loaded: Promise<string> | null = null;
  readonly #listeners = new Set<(event: VmmEvent) => void>();
  readonly #answers: Array<(line: string) => void> = [];

  private constructor(
    private readonly options: FakeVmmOptions,
    private readonly child: ChildProcessByStdio<Writable, Readable, null>,
    readonly fd: number,
  ) {
    const id = options.regionId ?? 'ram0';
    const sizeBytes = BigInt(options.pages * PAGE_SIZE);
    this.regions = [{ id, sizeBytes }];
    this.memory = native().openMemory([{ id, fd, offset: 0n, sizeBytes }]);
    this.record = {
      vmmId: randomUUID(),
      instanceId: options.instanceId,
      identity: IDENTITY,
      directory: options.directory,
      logFile: '/dev/null',
      pid: child.pid ?? 0,
      pidStartTime: '0',
      regions: [{ id, sizeBytes: String(sizeBytes), vmmFd: 3 }],
    };
    createInterface({ input: child.stdout }).on('line', (line) => this.#answers.shift()?.(line));
    child.stdin.on('error', () => {});
    child.once('exit', () => {
      this.#gone = true;
      for (const answer of this.#answers.splice(0)) answer('error the guest is gone');
      if (!this.destroyed) this.emit({ kind: 'exited', message: 'the process ended' });
    });
  }

  static async launch(options: FakeVmmOptions): Promise<FakeVmm> {
    const { directory, pages, workingSet, rate } = options;
    mkdirSync(directory, { recursive: true });
    const size = BigInt(pages * PAGE_SIZE);
    const fd = native().createMemfd('fake-guest', size);
    const child = spawn(
      process.env.FAKE_GUEST ?? 'fake-guest',
      ['3', String(size), String(workingSet), String(rate)],
      {
        stdio: ['pipe', 'pipe', 'inherit', fd],
        env: { LD_PRELOAD: shimLibraryPath() ?? '', DROVER_SHIM_SOCKET: join(directory, 'shim.sock') },
      },
    );
    const vmm = new FakeVmm(options, child as ChildProcessByStdio<Writable, Readable, null>, fd);
    await vmm.command('check');
    return vmm;
  }

  /** Pages that do not hold what they must, and the guest's writes so far. The guest must be paused. */
  async check(): Promise<{ bad: number; writes: number }> {
    const [, bad, , writes] = (await this.command('check')).split(' ');
    return { bad: Number(bad), writes: Number(writes) };
  }

  /** Writes one byte behind the guest's back; through the file, so that no page table notices. */
  corrupt(page: number): void {
    writeSync(this.fd, Buffer.from([0xa5]), 0, 1, page * PAGE_SIZE + 9);
  }

  /** Gives pages outside the working set some content that never changes. */
  fill(from: number, count: number): void {
    const content = Buffer.alloc(PAGE_SIZE, 0x5a);
    for (let page = from; page < from + count; page++) {
      content.writeUInt32LE(page);
      writeSync(this.fd, content, 0, PAGE_SIZE, page * PAGE_SIZE);
    }
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  emit(event: VmmEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  get gone(): boolean {
    return this.#gone;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  onEvent(listener: (event: VmmEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async status(): Promise<VmmStatus> {
    if (this.#gone) return 'gone';
    return this.#running ? 'running' : 'paused';
  }

  async pause(): Promise<void> {
    await this.hooks.pause();
    await this.command('pause');
    this.#running = false;
    this.times.push({ kind: 'paused', at: performance.now() });
  }

  async resume(): Promise<void> {
    await this.hooks.resume();
    if (this.options.incoming) this.digestAtResume ??= (await this.memory.digest(1)).digest;
    await this.command('run');
    this.#running = true;
    this.times.push({ kind: 'resumed', at: performance.now() });
  }

  async blockers(): Promise<readonly Blocker[]> {
    return this.blockersNow;
  }

  async deviceStates(): Promise<Readonly<Record<string, number>>> {
    return this.statesNow;
  }

  async cpu(): Promise<CpuDefinition | null> {
    return this.cpuNow;
  }

  tracker(): DirtyTracker {
    const tracker = native().createPagemapScanTracker({
      memory: this.memory,
      pid: this.record.pid,
      shimSocket: join(this.options.directory, 'shim.sock'),
      timeoutMs: 5_000,
    });
    this.trackers++;
    let stopped = false;
    return {
      name: 'pagemap-scan',
      needsQuiescedRounds: this.options.quiesced ?? false,
      start: () => tracker.start(),
      collect: async (into: DirtyBitmap) => {
        await this.hooks.collect();
        if (this.options.quiesced && this.#running) throw new Error('collected while the guest runs');
        return tracker.collect(into);
      },
      stop: () => {
        tracker.stop();
        if (!stopped) this.trackers--;
        stopped = true;
      },
    };
  }
  async prepareSave(): Promise<void> {}

  async saveState(socketPath: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.hooks.saveState();
    signal.throwIfAborted();
    await this.command(`save ${socketPath}`);
  }

  async prepareLoad(): Promise<string> {
    const path = join(this.options.directory, 'load.sock');
    const listening = this.command(`load ${path}`);
    this.#loaded = new Promise((resolve) => this.#answers.push(resolve));
    await listening;
    return path;
  }

  async loaded(_timeoutMs: number): Promise<void> {
    const line = await this.#loaded;
    await this.hooks.loaded();
    if (line !== 'loaded') throw new Error(`load: ${line}`);
  }

  async announce(): Promise<void> {}

  async powerDown(): Promise<boolean> {
    return false;
  }

  async destroy(): Promise<void> {
    if (this.destroyed) return;
    this.destroyed = true;
    const ended = this.#gone ? Promise.resolve() : once(this.child, 'exit');
    this.kill();
    await ended;
    this.memory.close();
    native().closeFd(this.fd);
    rmSync(this.options.directory, { recursive: true, force: true });
  }

  release(): void {}

  private async command(line: string): Promise<string> {
    if (this.#gone) throw new Error('the guest is gone');
    const answer = new Promise<string>((resolve) => this.#answers.push(resolve));
    this.child.stdin.write(`${line}\n`);
    const text = await answer;
    if (text.startsWith('error')) throw new Error(`${line}: ${text}`);
    return text;
  }
}
