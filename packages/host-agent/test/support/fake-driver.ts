/**
 * A driver whose VMMs are objects: they live in a {@link FakeHost}, not in an agent, so that they survive one. It keeps the
 * driver's rules (paused at launch, running only after resume) and records what was asked of it.
 */
import { rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { GuestMemory } from '@drover/native';
import type { CpuDefinition } from '@drover/protocol';
import { type DeviceStateVersions, DroverError, type InstanceSpec } from '@drover/types';
import type {
  Blocker,
  DirtyTracker,
  DriverProbe,
  LaunchRequest,
  Vmm,
  VmmDriver,
  VmmEvent,
  VmmIdentity,
  VmmRecord,
  VmmStatus,
} from '@drover/vmm';

export const IDENTITY: VmmIdentity = {
  driver: 'qemu',
  version: '7.2.22',
  machineType: 'pc-q35-7.2',
  accelerator: 'tcg',
  acceleratorReason: 'TCG was asked for.',
};

export class FakeHost {
  readonly vmms = new Map<string, FakeVmm>();
  /** VMMs that are there but do not answer. */
  readonly deaf = new Set<string>();
  /** Thrown by the next check, launch or resume. */
  failCheck: Error | null = null;
  failLaunch: Error | null = null;
  failResume: Error | null = null;
  launches = 0;
  /** Of the newest launch. */
  launched: InstanceSpec | null = null;
  probes: DriverProbe = {
    version: '7.2.22',
    unusable: null,
    machineTypes: ['pc-q35-7.1', 'pc-q35-7.2'],
    accelerators: ['tcg'],
  };
  failCpu: Error | null = null;
  /** What guests were promised of their processors. */
  guestCpu: CpuDefinition | null = null;
  /** What was last compared with the host. */
  comparedCpu: CpuDefinition | null = null;
  /** Null: the VMM does not tell. */
  deviceStates: DeviceStateVersions | null = { 'qemu/virtio-blk': [1, 2] };
  #nextPid = 40_000;

  /** One VMM's guest code runs: the rule that everything else is about (R1). */
  running(instanceId: string): FakeVmm[] {
    return [...this.vmms.values()].filter(
      (vmm) => vmm.record.instanceId === instanceId && vmm.state === 'running',
    );
  }

  pid(): number {
    this.#nextPid += 1;
    return this.#nextPid;
  }

  async close(): Promise<void> {
    for (const vmm of [...this.vmms.values()]) await vmm.destroy();
  }
}

export class FakeDriver implements VmmDriver {
  readonly name = 'qemu';
  readonly program = 'qemu';
  readonly ramModes = ['external'] as const;

  constructor(readonly host: FakeHost) {}

  probe() {
    return Promise.resolve(this.host.probes);
  }

  async deviceStates(): Promise<DeviceStateVersions> {
    if (this.host.deviceStates) return this.host.deviceStates;
    throw error('device-states-unknown', 'QEMU does not tell.');
  }

  specBlockers(spec: InstanceSpec): readonly Blocker[] {
    return Object.entries(spec.components)
      .filter(([, { kind }]) => kind === 'vhost-user-network')
      .map(([id]) => ({ code: 'blocker-vhost-user', message: `${id} is a vhost-user backend.` }));
  }

  async check(): Promise<void> {
    if (this.host.failCheck) throw this.host.failCheck;
  }

  async checkCpu(_spec: InstanceSpec, cpu: CpuDefinition | null): Promise<void> {
    this.host.comparedCpu = cpu;
    if (this.host.failCpu) throw this.host.failCpu;
  }

  async obstacles(): Promise<readonly unknown[]> {
    return this.host.failCheck ? [this.host.failCheck] : [];
  }

  async launch(request: LaunchRequest): Promise<Vmm> {
    this.host.launches += 1;
    this.host.launched = request.spec;
    if (this.host.failLaunch) throw this.host.failLaunch;
    await mkdir(request.directory, { recursive: true });
    const vmm = new FakeVmm(this.host, {
      vmmId: request.vmmId,
      instanceId: request.instanceId,
      identity: request.identity ?? IDENTITY,
      directory: request.directory,
      logFile: request.logFile,
      pid: this.host.pid(),
      pidStartTime: '1',
      regions: [{ id: 'ram0', sizeBytes: '67108864', vmmFd: 3 }],
    });
    await vmm.openConsole();
    this.host.vmms.set(request.vmmId, vmm);
    return vmm;
  }

  async adopt(record: VmmRecord): Promise<Vmm> {
    if (this.host.deaf.has(record.vmmId)) throw error('qmp-timeout', 'QEMU did not answer.');
    const vmm = this.host.vmms.get(record.vmmId);
    if (!vmm) throw error('vmm-gone', `The process ${record.pid} is gone.`);
    return vmm;
  }
}

export class FakeVmm implements Vmm {
  /** Holds nothing, and does no more than say so. */
  readonly memory = { dataRanges: () => [] } as unknown as GuestMemory;
  readonly regions = [{ id: 'ram0', sizeBytes: 67_108_864n }];
  readonly consoleSocket: string;
  state: VmmStatus = 'paused';
  released = 0;
  powersDown = true;
  readonly #host: FakeHost;
  readonly #listeners = new Set<(event: VmmEvent) => void>();
  #console: Server | null = null;

  constructor(
    host: FakeHost,
    readonly record: VmmRecord,
  ) {
    this.#host = host;
    this.consoleSocket = join(record.directory, 'console.sock');
  }

  /** A console that answers every line with itself in upper case. */
  openConsole(): Promise<void> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => socket.write(bytes.toString().toUpperCase()));
    });
    this.#console = server;
    return new Promise((resolve) => server.listen(this.consoleSocket, resolve));
  }

  /** Something happens to it by itself. */
  happen(event: VmmEvent, state: VmmStatus): void {
    this.state = state;
    for (const listener of [...this.#listeners]) listener(event);
  }

  onEvent(listener: (event: VmmEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  status() {
    return Promise.resolve(this.state);
  }

  async pause(): Promise<void> {
    this.state = 'paused';
  }

  async resume(): Promise<void> {
    if (this.#host.failResume) throw this.#host.failResume;
    this.state = 'running';
  }

  blockers() {
    return Promise.resolve([]);
  }

  deviceStates() {
    return Promise.resolve({ 'qemu/virtio-blk': 2 });
  }

  async cpu() {
    return this.#host.guestCpu;
  }

  tracker(): DirtyTracker {
    throw new Error('this fake has no memory to track');
  }
  prepareSave = () => Promise.resolve();
  saveState = () => Promise.resolve();
  prepareLoad = () => Promise.resolve(join(this.record.directory, 'state.sock'));
  loaded = () => Promise.resolve();
  announce = () => Promise.resolve();
  powerDown = () => Promise.resolve(this.powersDown);

  async destroy(): Promise<void> {
    this.state = 'gone';
    this.#host.vmms.delete(this.record.vmmId);
    const server = this.#console;
    this.#console = null;
    if (server) await new Promise((resolve) => server.close(resolve));
    rmSync(this.record.directory, { recursive: true, force: true });
  }

  release(): void {
    this.released += 1;
  }
}

export function error(code: string, message: string): DroverError {
  return new DroverError(code, { status: 410, retryable: false, summary: '' }, message);
}
