import {
  type InstanceView,
  type MigrationEvent,
  type MigrationView,
  releaseCompatibility,
} from '@drover/protocol';
import type { Compatibility, Host, InstanceSpec, MigrationProgress, MigrationReport } from '@drover/types';

export const INSTANCE_ID = '11111111-1111-4111-8111-111111111111';
export const MIGRATION_ID = '22222222-2222-4222-8222-222222222222';
export const VMM_ID = '33333333-3333-4333-8333-333333333333';
const AT = '2026-01-01T00:00:00.000Z';

export const spec: InstanceSpec = {
  name: 'web-1',
  vmm: 'qemu',
  cpus: 1,
  memoryMiB: 64,
  machineType: 'q35',
  cpu: { model: 'qemu64', features: {}, cpuid: [] },
  accelerator: 'auto',
  boot: { from: 'kernel', kernel: '/boot/guest.elf', cmdline: '' },
  smbios: null,
  clock: 'wall',
  components: {},
};

/** What the fake host says of itself. */
export const compatibility: Compatibility = {
  ...releaseCompatibility(),
  host: 'host-b',
  deviceStates: { 'qemu-stream': [1], 'qemu/virtio-net': [11] },
  drivers: [
    {
      name: 'qemu',
      version: '7.2.22',
      machineTypes: ['pc-q35-7.1', 'pc-q35-7.2'],
      accelerators: ['kvm', 'tcg'],
      ramModes: ['external'],
    },
  ],
};

export const host: Host = {
  hostId: '44444444-4444-4444-8444-444444444444',
  name: 'host-b',
  release: compatibility.release,
  peer: { host: '10.0.0.2', port: 7701 },
  cpu: null,
  capacity: null,
  compatibility,
  drivers: [{ name: 'qemu', version: '7.2.22', ramModes: ['external'], unusable: null }],
};

export const instance: InstanceView = {
  id: INSTANCE_ID,
  name: 'web-1',
  spec: {
    ...spec,
    components: {
      disk0: { kind: 'virtio-disk', backend: 'disk0-file' },
      'disk0-file': {
        kind: 'file-storage',
        path: '/srv/a.raw',
        format: 'raw',
        cache: 'none',
        readOnly: false,
      },
    },
  },
  state: {
    vmmId: VMM_ID,
    instanceId: INSTANCE_ID,
    generation: '7',
    epoch: '1',
    life: 'running',
    driver: 'qemu',
    ramMode: 'external',
    accelerator: 'tcg',
    acceleratorReason: 'there is no /dev/kvm',
    machineType: 'pc-q35-7.2',
    vmmVersion: '7.2.22',
    pid: 4242,
    error: null,
  },
  consoleSocket: '/run/drover/v1/console.sock',
  logFile: '/var/lib/drover/instances/1/serial.log',
};

export function progress(change: Partial<MigrationProgress> = {}): MigrationProgress {
  return {
    phase: 'rounds',
    round: 2,
    elapsedMs: 1500,
    wireBytes: 300 * 1024 * 1024,
    pagesSent: 75_000,
    pagesRemaining: 25_000,
    bandwidthBytesPerSecond: 250_000_000,
    dirtyPagesPerSecond: 19_876,
    expectedDowntimeMs: 12.34,
    ...change,
  };
}

export const report: MigrationReport = {
  migrationId: MIGRATION_ID,
  instanceId: INSTANCE_ID,
  driver: 'qemu',
  ramMode: 'external',
  accelerator: 'tcg',
  tracker: 'pagemap-scan',
  protocolVersion: 1,
  specVersion: 1,
  deviceStates: { 'qemu-stream': 1 },
  capabilities: [],
  epoch: '2',
  settings: {
    connections: 2,
    bandwidthBytesPerSecond: null,
    maxDowntimeMs: 100,
    maxRounds: 60,
    timeoutMs: 3_600_000,
    verify: true,
  },
  totalMs: 2345,
  rounds: [
    {
      round: 0,
      durationMs: 2000,
      pages: 100_000,
      dataPages: 75_000,
      zeroPages: 12,
      tornPages: 3,
      wireBytes: 307_200_000,
      quiescedMs: 0,
    },
  ],
  wireBytes: 307_200_000,
  dataPages: 75_000,
  zeroPages: 12,
  stateBytes: 206_005,
  downtime: {
    totalMs: 12.5,
    pauseMs: 1,
    lastRoundMs: 2,
    stateSaveMs: 4,
    verifyMs: 0,
    loadMs: 3,
    handoverMs: 1.5,
    resumeMs: 1,
  },
  verified: true,
};

export function migration(change: Partial<MigrationView> = {}): MigrationView {
  return {
    id: MIGRATION_ID,
    instanceId: INSTANCE_ID,
    instanceName: 'web-1',
    role: 'source',
    peer: '10.0.0.2:7701',
    state: 'running',
    phase: 'rounds',
    progress: null,
    report: null,
    error: null,
    startedAt: AT,
    endedAt: null,
    ownership: null,
    doubt: null,
    ...change,
  };
}

export const completed = migration({ state: 'completed', phase: 'done', report, endedAt: AT });
export const cancelled = migration({
  state: 'cancelled',
  error: { code: 'migration-cancelled', message: 'Somebody cancelled it.', retryable: true },
  endedAt: AT,
});
export const inDoubt = migration({
  state: 'in-doubt',
  phase: 'handover',
  error: { code: 'outcome-unknown', message: 'The destination has not answered.', retryable: true },
});
export const refused = migration({
  state: 'failed',
  phase: 'preparing',
  error: { code: 'identity-mismatch', message: 'The destination has no KVM.', retryable: false },
  endedAt: AT,
});
export const failed = migration({
  state: 'failed',
  phase: 'rounds',
  error: { code: 'bulk-failed', message: 'The connections broke.', retryable: true },
  endedAt: AT,
});

export function progressEvent(change: Partial<MigrationProgress> = {}): MigrationEvent {
  return { kind: 'progress', at: AT, progress: progress(change) };
}

export function endedEvent(view: MigrationView): MigrationEvent {
  return { kind: 'ended', at: AT, migration: view };
}
