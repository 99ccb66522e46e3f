/** The driver for stock QEMU, RAM mode external. */
import { type KvmProbe, native, shimLibraryPath } from '@drover/native';
import type { DeviceStateVersions, InstanceSpec } from '@drover/types';
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
import { usableAccelerators } from './accelerator.js';
import { adoptQemu } from './adopt.js';
import { refuseUnstartable, specBlockers } from './blockers.js';
import { readableDeviceStates } from './device-states.js';
import { checkAgainstQemu, checkDisks, checkNetworks, checkVsock } from './host-checks.js';
import { decideIdentity, guestMachines } from './identity.js';
import { kernelKind } from './kernel-image.js';
import { type ConnectedQemu, launchQemu } from './launch.js';
import { QemuProbe } from './probe.js';
import { StateDescriptionCache } from './state-descriptions.js';
import { defaultTuning, type QemuTuning } from './tuning.js';
import { refuseOnMachine, refuseUnsupported } from './unsupported.js';
import { QemuVmm } from './vmm.js';

export interface QemuDriverOptions {
  readonly logger: Logger;
  /** A path, or a program looked for in PATH; `qemu-system-x86_64` by default. */
  readonly qemuBinary?: string;
  /** The library preloaded into QEMU; the one built with the addon by default. */
  readonly shimLibrary?: string;
  /** What `/dev/kvm` does here; asked of the addon by default. */
  readonly kvm?: () => KvmProbe;
  readonly tuning?: Partial<QemuTuning>;
}

export function createQemuDriver(options: QemuDriverOptions): VmmDriver {
  return new QemuDriver(options);
}

export class QemuDriver implements VmmDriver {
  readonly name = 'qemu';
  readonly program = 'qemu';
  readonly ramModes = ['external'] as const;
  readonly #logger: Logger;
  readonly #probe: QemuProbe;
  readonly #shimLibrary: string | null;
  readonly #kvm: () => KvmProbe;
  readonly #tuning: QemuTuning;
  readonly #states = new StateDescriptionCache();

  constructor(options: QemuDriverOptions) {
    this.#logger = options.logger.child({ driver: 'qemu' });
    this.#probe = new QemuProbe(options.qemuBinary ?? 'qemu-system-x86_64');
    this.#shimLibrary = options.shimLibrary ?? shimLibraryPath();
    this.#kvm = options.kvm ?? (() => native().probeKvm());
    this.#tuning = { ...defaultTuning, ...options.tuning };
  }

  async probe(): Promise<DriverProbe> {
    try {
      const { version, machines } = await this.#probe.facts();
      return {
        version,
        unusable: this.#shimLibrary === null ? noShim().message : null,
        machineTypes: guestMachines(machines),
        accelerators: usableAccelerators(this.#kvm()),
      };
    } catch (error) {
      return {
        version: null,
        unusable: error instanceof Error ? error.message : String(error),
        machineTypes: [],
        accelerators: [],
      };
    }
  }

  /** @throws `qemu-unusable`, `device-states-unknown` */
  async deviceStates(): Promise<DeviceStateVersions> {
    const { binary } = await this.#probe.facts();
    return readableDeviceStates(await this.#states.of(binary));
  }

  specBlockers(spec: InstanceSpec): readonly Blocker[] {
    return specBlockers(spec, this.#tuning);
  }

  async check(spec: InstanceSpec): Promise<void> {
    await this.#examine(spec, null);
  }

  /** QEMU keeps its processors to itself: null, always. */
  async checkCpu(): Promise<void> {}

  obstacles(spec: InstanceSpec, settled: SettledIdentity | null): Promise<readonly unknown[]> {
    return collectObstacles(this.#examination(spec, settled).checks);
  }

  async launch(request: LaunchRequest): Promise<Vmm> {
    const { spec } = request;
    const { facts, storage, identity, shimLibrary } = await this.#examine(spec, request.identity);
    const start = performance.now();
    const qemu = await launchQemu({
      request,
      identity,
      binary: facts.binary,
      shimLibrary,
      storage,
      tuning: this.#tuning,
    });
    this.#logger.info(
      { vmmId: request.vmmId, pid: qemu.record.pid, identity, ms: performance.now() - start },
      'QEMU started',
    );
    return this.#vmm(qemu, spec);
  }

  async adopt(record: VmmRecord, spec: InstanceSpec): Promise<Vmm> {
    const qemu = await adoptQemu(record, this.#tuning);
    this.#logger.info({ vmmId: record.vmmId, pid: record.pid, runState: qemu.runState }, 'QEMU adopted');
    return this.#vmm(qemu, spec);
  }

  /** Everything that can be known before anything is made. */
  async #examine(spec: InstanceSpec, settled: VmmIdentity | null) {
    const { checks, storage, identity } = this.#examination(spec, settled);
    await passAll(checks);
    const facts = await this.#probe.facts();
    return { facts, storage, identity: await identity(), shimLibrary: this.#shim() };
  }

  /** What must hold, in the order in which it is found out; no check needs one before it to have passed. */
  #examination(spec: InstanceSpec, settled: SettledIdentity | null) {
    const storage = new Map<string, 'file' | 'host_device'>();
    const identity = async () =>
      decideIdentity({
        spec,
        facts: await this.#probe.facts(),
        kvm: this.#kvmFor(spec, settled?.accelerator),
        kernel: spec.boot.from === 'kernel' ? await kernelKind(spec.boot.kernel) : null,
        settled,
      });
    const asSettled = settled === null ? spec : { ...spec, machineType: settled.machineType };
    const checks: readonly Check[] = [
      () => refuseUnsupported(spec),
      () => refuseUnstartable(spec),
      () => this.#shim(),
      async () => checkAgainstQemu(asSettled, await this.#probe.facts()),
      () => checkBootFiles(spec),
      async () => {
        for (const [id, driver] of await checkDisks(spec)) storage.set(id, driver);
      },
      () => checkNetworks(spec),
      () => checkVsock(spec),
      () => checkMemory(spec),
      async () => refuseOnMachine(spec, (await identity()).machineType),
    ];
    return { checks, storage, identity };
  }

  #shim(): string {
    if (this.#shimLibrary === null) throw noShim();
    return this.#shimLibrary;
  }

  #vmm(qemu: ConnectedQemu, spec: InstanceSpec): Vmm {
    return new QemuVmm({ qemu, spec, tuning: this.#tuning, states: this.#states, logger: this.#logger });
  }

  /** Not asked where the answer makes no difference. */
  #kvmFor(spec: InstanceSpec, settled?: 'kvm' | 'tcg'): KvmProbe {
    if ((settled ?? spec.accelerator) === 'tcg') return { kind: 'absent', detail: 'not asked' };
    return this.#kvm();
  }
}

function noShim(): Error {
  return vmmErrors.error(
    'shim-missing',
    'The library that is preloaded into QEMU is not there. Build it with "npm run bootstrap".',
  );
}
