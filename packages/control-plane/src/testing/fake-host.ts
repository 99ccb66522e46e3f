/**
 * One simulated host: instances, VMMs with generations, migrations with journals, and the faults that a real one can have. It holds to the
 * contract in what it says unless a fault tells it to lie.
 */
import { randomUUID } from 'node:crypto';
import {
  type CpuDefinition,
  type PreflightBodyV4,
  type PreflightFinding,
  releaseCompatibility,
  type VmmViewV3,
} from '@drover/protocol';
import {
  type Compatibility,
  type Host,
  type InstanceSpec,
  RELEASE,
  type VmmLife,
  type VmmState,
} from '@drover/types';
import type { FakeFleet } from './fake-fleet.js';
import type { FakeCourse, FakeMigration } from './fake-migration.js';

export interface FakeHostOptions {
  readonly id?: string;
  readonly name?: string;
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly cpuFeatures?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly machineTypes?: readonly string[];
  readonly compatibility?: Partial<Compatibility>;
  /** Newest version of the agent API that it serves. */
  readonly api?: '1.0.0' | '2.0.0' | '3.0.0' | '4.0.0';
  /** False where no control plane is configured: then ended VMMs are not kept. */
  readonly keepsEnded?: boolean;
}

export interface FakeInstance {
  readonly id: string;
  readonly name: string;
  readonly spec: InstanceSpec;
  vmmId: string;
}

export type FakeVmm = { -readonly [K in keyof VmmViewV3]: VmmViewV3[K] };

/**
 * `hang`: requests are never answered. `error`: they are answered 500. `garbled`: with a document that the
 * contract does not have. `refuse`: connections are cut. `old-generations`: every state is told with
 * a generation as it was a few states before. `unreachable` under the key `peer`: nobody can migrate here.
 */
export type FakeFault = 'hang' | 'error' | 'garbled' | 'refuse' | 'old-generations' | 'unreachable';

export class FakeHost {
  readonly id: string;
  readonly name: string;
  readonly options: FakeHostOptions;
  readonly fleet: FakeFleet;
  readonly peer: { readonly host: string; readonly port: number };
  readonly instances = new Map<string, FakeInstance>();
  readonly vmms = new Map<string, FakeVmm>();
  readonly migrations = new Map<string, FakeMigration>();
  /** Requests by endpoint, as they came. */
  readonly requests: { readonly endpoint: string; readonly path: string; readonly body: unknown }[] = [];
  /** Faults by endpoint; `*` for all. */
  readonly faults = new Map<string, FakeFault>();
  /** Refusals by endpoint, given once each. */
  readonly refusals = new Map<
    string,
    { status: number; code: string; message: string; retryable: boolean }
  >();
  /** How the next migrations from here go, in order; one without goes well. */
  readonly courses: FakeCourse[] = [];
  /** What it finds for a preflight; nothing by default. */
  preflight: ((body: PreflightBodyV4) => PreflightFinding[]) | null = null;
  /** What it says that its guests were promised of their processors. */
  guestCpu: CpuDefinition | null = null;
  /** Answered late, ms. */
  delayMs = 0;
  /** Rings are not sent. */
  dropDoorbells = false;
  recordRequests = true;
  registeredAs: string;

  constructor(fleet: FakeFleet, port: number, options: FakeHostOptions) {
    this.fleet = fleet;
    this.options = options;
    this.id = options.id ?? randomUUID();
    this.name = options.name ?? `host-${port}`;
    this.registeredAs = this.name;
    this.peer = { host: '127.0.0.1', port };
  }

  /** Of its agent API. */
  get url(): string {
    return `${this.fleet.url}/${this.id}`;
  }

  describe(): Host {
    const compatibility: Compatibility = {
      ...releaseCompatibility(),
      host: this.name,
      drivers: [
        {
          name: 'qemu',
          version: '7.2.0',
          machineTypes: [...(this.options.machineTypes ?? ['pc-q35-7.2'])],
          accelerators: ['kvm', 'tcg'],
          ramModes: ['external'],
        },
      ],
      ...this.options.compatibility,
    };
    return {
      hostId: this.id,
      name: this.name,
      release: RELEASE,
      peer: this.peer,
      cpu: {
        vendor: 'GenuineIntel',
        model: 'Simulated',
        features: [...(this.options.cpuFeatures ?? ['avx2', 'sse2'])].toSorted(),
      },
      capacity: {
        cpus: this.options.cpus ?? 64,
        memoryBytes: this.options.memoryBytes ?? 256 * 1024 ** 3,
      },
      compatibility,
      drivers: [{ name: 'qemu', version: '7.2.0', ramModes: ['external'], unusable: null }],
    };
  }

  /** As if it was made on the host directly. */
  addInstance(
    spec: InstanceSpec,
    given: { id?: string; vmmId?: string; life?: VmmLife; epoch?: bigint } = {},
  ): FakeInstance {
    const instance: FakeInstance = {
      id: given.id ?? randomUUID(),
      name: spec.name,
      spec,
      vmmId: given.vmmId ?? randomUUID(),
    };
    this.instances.set(instance.id, instance);
    this.vmms.set(instance.vmmId, {
      state: firstState(instance, given.life ?? 'running', given.epoch ?? 1n),
      instanceName: spec.name,
      migration: null,
      ended: null,
    });
    return instance;
  }

  /** Publishes a new state: raises the generation by one and rings. */
  publish(
    vmmId: string,
    change: Partial<VmmState> = {},
    view: Partial<Pick<VmmViewV3, 'migration' | 'ended'>> = {},
  ): FakeVmm {
    const vmm = this.vmms.get(vmmId);
    if (!vmm) throw new Error(`host ${this.name} has no VMM ${vmmId}`);
    const generation = String(BigInt(vmm.state.generation) + 1n);
    vmm.state = { ...vmm.state, ...change, generation };
    Object.assign(vmm, view);
    this.ring(vmmId);
    return vmm;
  }

  /** Its last state; kept until it is acknowledged. */
  end(vmmId: string, reason: 'moved' | 'deleted' | 'replaced', change: Partial<VmmState> = {}): void {
    this.publish(vmmId, change, { ended: { reason, at: new Date().toISOString() } });
    if (this.options.keepsEnded === false) this.vmms.delete(vmmId);
  }

  /** Rings the control plane, where there is one; a ring that fails is lost. */
  ring(vmmId: string): void {
    if (!this.dropDoorbells) this.fleet.ring(vmmId);
  }

  /** Registers, or says that it lives. */
  async register(controlPlane = this.fleet.controlPlane): Promise<Response> {
    return fetch(`${controlPlane}/hosts/${this.id}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', 'api-version': '1.0.0' },
      body: JSON.stringify({
        name: this.registeredAs,
        url: this.url,
        ...(this.options.labels ? { labels: this.options.labels } : {}),
      }),
    });
  }
}

function firstState(instance: FakeInstance, life: VmmLife, epoch: bigint): VmmState {
  return {
    vmmId: instance.vmmId,
    instanceId: instance.id,
    generation: '1',
    epoch: String(epoch),
    life,
    driver: 'qemu',
    ramMode: 'external',
    accelerator: 'kvm',
    acceleratorReason: null,
    machineType: 'pc-q35-7.2',
    vmmVersion: '7.2.0',
    pid: life === 'stopped' ? null : 4_242,
    error: null,
  };
}
