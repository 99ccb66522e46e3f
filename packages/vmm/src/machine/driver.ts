/** The driver for Drover's own machine, straight on /dev/kvm, RAM mode external. */
import { type KvmHost, type NativeAddon, native } from '@drover/native';
import { type CpuDefinition, MACHINE_STREAM_KIND, MACHINE_STREAM_VERSIONS } from '@drover/protocol';
import { type DeviceStateVersions, type InstanceSpec, RELEASE } from '@drover/types';
import type { Logger } from 'pino';
import type {
  Blocker,
  DriverProbe,
  LaunchRequest,
  SettledIdentity,
  Vmm,
  VmmDriver,
  VmmIdentity,
  VmmRecord,
} from '../driver.js';
import { vmmErrors } from '../errors.js';
import { checkBootFiles, checkMemory } from '../host/checks.js';
import { type Check, collectObstacles, passAll } from '../obstacles.js';
import { adoptMachine } from './adopt.js';
import { type ConnectedMachine, launchMachine, MACHINE_PROCESS } from './launch.js';
import { defaultMachineTuning, type MachineTuning } from './tuning.js';
import { MACHINE_TYPE, refuseUnsupported } from './unsupported.js';
import { MachineVmm } from './vmm.js';

export interface MachineDriverOptions {
  readonly logger: Logger;
  /** What the host's KVM can do; throws where no machine runs. Asked of the addon by default. */
  readonly kvm?: () => KvmHost;
  /** What could run machines here; asked of the addon by default, as what follows. */
  readonly hypervisors?: NativeAddon['findHypervisors'];
  readonly stoppedClock?: NativeAddon['probeStoppedClock'];
  /** What of a processor the host lacks. */
  readonly missing?: NativeAddon['missingFromHost'];
  readonly tuning?: Partial<MachineTuning>;
}

export function createMachineDriver(options: MachineDriverOptions): VmmDriver {
  return new MachineDriver(options);
}

export class MachineDriver implements VmmDriver {
  readonly name = 'machine';
  readonly program = MACHINE_PROCESS;
  readonly ramModes = ['external'] as const;
  readonly #logger: Logger;
  readonly #kvm: () => KvmHost;
  readonly #hypervisors: NativeAddon['findHypervisors'];
  readonly #stoppedClock: NativeAddon['probeStoppedClock'];
  readonly #missing: NativeAddon['missingFromHost'];
  readonly #tuning: MachineTuning;

  constructor(options: MachineDriverOptions) {
    this.#logger = options.logger.child({ driver: 'machine' });
    this.#kvm = options.kvm ?? (() => native().kvmHost());
    this.#hypervisors = options.hypervisors ?? (() => native().findHypervisors());
    this.#stoppedClock = options.stoppedClock ?? (() => native().probeStoppedClock());
    this.#missing = options.missing ?? ((cpu) => native().missingFromHost(cpu));
    this.#tuning = { ...defaultMachineTuning, ...options.tuning };
  }

  async probe(): Promise<DriverProbe> {
    try {
      this.#kvm();
      return { version: RELEASE, unusable: null, machineTypes: [MACHINE_TYPE], accelerators: ['kvm'] };
    } catch (error) {
      const unusable = this.#whyNone(error instanceof Error ? error.message : String(error));
      return { version: RELEASE, unusable, machineTypes: [], accelerators: [] };
    }
  }

  /** @throws `machine-unusable` */
  async deviceStates(): Promise<DeviceStateVersions> {
    this.#host();
    return { ...native().machinePayloadKinds(), [MACHINE_STREAM_KIND]: MACHINE_STREAM_VERSIONS };
  }

  specBlockers(): readonly Blocker[] {
    return [];
  }

  async check(spec: InstanceSpec): Promise<void> {
    await passAll(this.#checks(spec));
  }

  obstacles(spec: InstanceSpec, settled: SettledIdentity | null): Promise<readonly unknown[]> {
    return collectObstacles([...this.#checks(spec), () => refuseOtherType(spec, settled)]);
  }

  /** What must hold, in the order in which it is found out; no check needs one before it to have passed. */
  #checks(spec: InstanceSpec): readonly Check[] {
    return [
      () => refuseUnsupported(spec),
      () => this.#checkHost(spec),
      () => checkBootFiles(spec),
      () => checkMemory(spec),
    ];
  }

  #checkHost(spec: InstanceSpec): void {
    const { maxVcpus, trackers } = this.#host();
    if (spec.cpus > maxVcpus) {
      throw vmmErrors.error(
        'too-many-cpus',
        `Instance "${spec.name}" has ${spec.cpus} CPUs; /dev/kvm of this host takes at most ${maxVcpus}.`,
      );
    }
    if (!trackers.includes(this.#tuning.tracker)) {
      throw vmmErrors.error(
        'machine-unusable',
        `/dev/kvm of this host has no ${this.#tuning.tracker}; it has ${trackers.join(', ') || 'no tracker'}.`,
      );
    }
    if (spec.clock === 'stopped') this.#checkStoppedClock(spec);
  }

  /** @throws `cpu-not-offered`, `machine-unusable` */
  async checkCpu(spec: InstanceSpec, cpu: CpuDefinition | null): Promise<void> {
    if (cpu === null) return;
    this.#host();
    const { features, msrs } = this.#missing(cpu);
    const lacking = [...features, ...msrs];
    if (lacking.length === 0) return;
    throw vmmErrors.error(
      'cpu-not-offered',
      `This host's processor lacks what the guest of "${spec.name}" was shown of its own: ${listed(lacking)}. Choose a host that has it.`,
    );
  }

  async launch(request: LaunchRequest): Promise<Vmm> {
    const { spec } = request;
    await this.check(spec);
    const identity = identityOf(spec, request.identity);
    const start = performance.now();
    const machine = await launchMachine({ request, identity, tuning: this.#tuning });
    this.#logger.info(
      { vmmId: request.vmmId, pid: machine.record.pid, identity, ms: performance.now() - start },
      'machine started',
    );
    return this.#vmm(machine, spec);
  }

  async adopt(record: VmmRecord, spec: InstanceSpec): Promise<Vmm> {
    const machine = await adoptMachine(record, this.#tuning);
    this.#logger.info({ vmmId: record.vmmId, pid: record.pid }, 'machine adopted');
    return this.#vmm(machine, spec);
  }

  #vmm(machine: ConnectedMachine, spec: InstanceSpec): Vmm {
    return new MachineVmm({ machine, spec, tuning: this.#tuning, logger: this.#logger });
  }

  #checkStoppedClock(spec: InstanceSpec): void {
    const { ok, detail } = this.#stoppedClock();
    if (ok) return;
    throw vmmErrors.error(
      'clock-not-stoppable',
      `Instance "${spec.name}" asks for a clock that stands still over a migration (clock: stopped), which this host cannot give: ${detail}. Or set clock to "wall".`,
    );
  }

  /** KVM's own reason, and that of every other hypervisor whose host could have run machines. */
  #whyNone(kvm: string): string {
    const others = this.#hypervisors().filter(({ name }) => name !== 'kvm');
    return [kvm, ...others.map(({ name, why }) => `${name}: ${why}`)].join('; ');
  }

  #host(): KvmHost {
    try {
      return this.#kvm();
    } catch (cause) {
      const why = this.#whyNone(cause instanceof Error ? cause.message : String(cause));
      throw vmmErrors.error('machine-unusable', `No machine runs on this host: ${why}`, cause);
    }
  }
}

/** A guest from another vendor's host may lack a hundred features: the first few say it. */
const NAMED_FEATURES = 16;

function listed(names: readonly string[]): string {
  const more = names.length - NAMED_FEATURES;
  return `${names.slice(0, NAMED_FEATURES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Throws `machine-type-unknown` where the instance started as something else. */
function refuseOtherType(spec: InstanceSpec, settled: SettledIdentity | null): void {
  if (settled === null || (settled.machineType === MACHINE_TYPE && settled.accelerator === 'kvm')) return;
  throw vmmErrors.error(
    'machine-type-unknown',
    `Instance "${spec.name}" started as ${settled.machineType} with ${settled.accelerator}; the machines of this release are ${MACHINE_TYPE} with kvm. Use a host whose release has that machine type.`,
  );
}

/** Throws `machine-type-unknown`. */
function identityOf(spec: InstanceSpec, settled: VmmIdentity | null): VmmIdentity {
  refuseOtherType(spec, settled);
  return {
    driver: 'machine',
    version: RELEASE,
    machineType: MACHINE_TYPE,
    accelerator: 'kvm',
    acceleratorReason: settled?.acceleratorReason ?? 'a machine runs on /dev/kvm alone',
  };
}
