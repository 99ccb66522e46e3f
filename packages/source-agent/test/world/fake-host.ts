import type {
  DestinationEnding,
  DestinationHost,
  IncomingMigration,
  PrepareRequest,
} from '@drover/destination-agent';
import type { BulkReceiver } from '@drover/native';
import type { DeviceStateVersions, MigrationPhase, MigrationProgress, MigrationReport } from '@drover/types';
import type { Logger } from 'pino';
import { FakeVmm, type FakeVmmOptions } from '../guest/fake-vmm.js';
import { FakeDestinationJournal } from './fake-journals.js';

/** A host for the destination agent, with one journal for the one migration that a test makes. */
export class FakeHost implements DestinationHost {
  readonly release = '0.2.0';
  readonly hostName = 'destination-host';
  readonly journalOfTest = new FakeDestinationJournal();
  readonly receivers = new Set<BulkReceiver>();
  readonly endings: DestinationEnding[] = [];
  readonly progress: MigrationProgress[] = [];
  incoming: IncomingMigration | null = null;
  /** What its VMMs can load. */
  windows: DeviceStateVersions = { 'qemu/virtio-net': [10, 11] };
  report: MigrationReport | null = null;
  vmm: FakeVmm | null = null;
  routes = 0;
  beforePrepare: (request: PrepareRequest) => Promise<void> | void = () => {};
  /** Called with the VMM before anything else has it. */
  onMade: (vmm: FakeVmm) => void = () => {};
  onEnter: (phase: MigrationPhase) => void = () => {};
  reached: DestinationHost['reached'];
  #log: string[] = [];
  readonly #byToken = new Map<string, BulkReceiver>();

  constructor(
    /** What is made for an incoming migration. */
    public guest: FakeVmmOptions,
    log: string[],
    readonly logger: Logger,
  ) {
    this.log = log;
  }

  set log(log: string[]) {
    this.#log = log;
    this.journalOfTest.log = log;
  }

  /** The receiver that a bulk hello names by its token, its first 32 bytes. */
  receiverFor(hello: Uint8Array): BulkReceiver | null {
    return this.#byToken.get(Buffer.from(hello.subarray(0, 32)).toString('hex')) ?? null;
  }

  async deviceStates(): Promise<DeviceStateVersions> {
    return this.windows;
  }

  async prepare(request: PrepareRequest): Promise<FakeVmm> {
    await this.beforePrepare(request);
    const vmm = await FakeVmm.launch(this.guest);
    this.vmm = vmm;
    vmm.hooks.resume = () => void this.#log.push('destination: resume');
    this.onMade(vmm);
    return vmm;
  }

  journal(): FakeDestinationJournal {
    return this.journalOfTest;
  }

  routeBulk(token: Uint8Array, receiver: BulkReceiver): () => void {
    const key = Buffer.from(token).toString('hex');
    this.#byToken.set(key, receiver);
    this.receivers.add(receiver);
    this.routes++;
    return () => {
      if (this.#byToken.delete(key)) this.routes--;
    };
  }

  started(incoming: IncomingMigration): void {
    this.incoming = incoming;
  }

  waits(): void {}

  onPhase(_migrationId: string, phase: MigrationPhase): void {
    this.onEnter(phase);
  }

  onProgress(_migrationId: string, progress: MigrationProgress): void {
    this.progress.push(progress);
  }

  ended(_migrationId: string, ending: DestinationEnding): void {
    this.endings.push(ending);
  }

  onReport(_migrationId: string, report: MigrationReport): void {
    this.report = report;
  }
}
