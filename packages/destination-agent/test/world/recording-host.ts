import type { BulkReceiver, GuestMemory } from '@drover/native';
import type { DeviceStateVersions, MigrationReport } from '@drover/types';
import type { Vmm, VmmEvent } from '@drover/vmm';
import pino from 'pino';
import type {
  DestinationEnding,
  DestinationHost,
  DestinationJournal,
  JournalOutcome,
  PrepareRequest,
} from '../../src/index.js';
import { prepareMessage, SIZE } from './messages.js';

/** A VMM without a process: what it is told goes into the host's log. */
export interface RecordingVmm extends Vmm {
  /** Lets it end by itself. */
  end(): void;
  resumeFails: boolean;
}

/** A host whose journal and VMM write what happens to them into one list, in order. */
export class RecordingHost implements DestinationHost {
  readonly release = '0.2.0';
  readonly hostName = 'south';
  readonly logger = pino({ level: process.env.DROVER_TEST_LOG ?? 'silent' });
  readonly log: string[] = [];
  readonly endings: DestinationEnding[] = [];
  /** Why each wait for an absent source began. */
  readonly waiting: string[] = [];
  records: { outcome: JournalOutcome; epoch: bigint } = { outcome: 'unknown', epoch: 0n };
  journalFails = false;
  /** What its VMMs can load. */
  onDeviceStates: () => Promise<DeviceStateVersions> = async () => ({ 'qemu/virtio-net': [10, 11] });
  report: MigrationReport | null = null;
  routes = new Map<string, BulkReceiver>();
  onPrepare: (request: PrepareRequest) => Promise<Vmm> = async () => this.makeVmm();

  makeVmm(parts: Partial<Vmm> & { memory?: GuestMemory } = {}): RecordingVmm {
    const listeners = new Set<(event: VmmEvent) => void>();
    const { vmm } = prepareMessage();
    const made: RecordingVmm = {
      resumeFails: false,
      end: () => {
        for (const listener of [...listeners]) listener({ kind: 'exited', message: 'the process ended' });
      },
      record: {
        vmmId: 'b9a3c8d7-1e2f-4a5b-8c6d-7e8f9a0b1c03',
        instanceId: prepareMessage().instanceId,
        identity: { ...vmm, driver: 'qemu', acceleratorReason: '' },
        directory: '/nowhere',
        logFile: '/dev/null',
        pid: 0,
        pidStartTime: '0',
        regions: [],
      },
      regions: [{ id: 'ram0', sizeBytes: BigInt(SIZE) }],
      onEvent: (listener: (event: VmmEvent) => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      resume: async () => {
        if (made.resumeFails) throw new Error('no');
        this.log.push('resume');
      },
      announce: async () => void this.log.push('announce'),
      destroy: async () => void this.log.push('destroy'),
      prepareLoad: async () => '/nowhere/load.sock',
      loaded: () => new Promise<void>(() => {}),
      ...parts,
    } as unknown as RecordingVmm;
    return made;
  }

  deviceStates(): Promise<DeviceStateVersions> {
    return this.onDeviceStates();
  }

  async prepare(request: PrepareRequest): Promise<Vmm> {
    return this.onPrepare(request);
  }

  journal(): DestinationJournal {
    const write = async (outcome: JournalOutcome, epoch: bigint): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.journalFails) throw new Error('disk full');
      this.records = { outcome, epoch };
      this.log.push(outcome === 'aborted' ? outcome : `${outcome} ${epoch}`);
    };
    return {
      preparing: (epoch) => write('preparing', epoch),
      ready: (epoch) => write('ready', epoch),
      owned: (epoch) => write('owned', epoch),
      aborted: () => write('aborted', this.records.epoch),
      outcome: () => this.records,
    };
  }

  routeBulk(token: Uint8Array, receiver: BulkReceiver): () => void {
    const key = Buffer.from(token).toString('hex');
    this.routes.set(key, receiver);
    return () => void this.routes.delete(key);
  }

  started(): void {}

  waits(_migrationId: string, reason: string): void {
    this.waiting.push(reason);
  }

  onPhase(): void {}

  onProgress(): void {}

  ended(_migrationId: string, ending: DestinationEnding): void {
    this.endings.push(ending);
    this.log.push(`ended ${ending.kind}`);
  }

  onReport(_migrationId: string, report: MigrationReport): void {
    this.report = report;
  }
}
