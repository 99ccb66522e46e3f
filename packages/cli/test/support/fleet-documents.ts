/** Documents of the public API, as a fleet of two hosts and one instance has them. */
import type {
  DrainView,
  FleetEvent,
  FleetInstance,
  FleetMigration,
  FleetPlan,
  HostView,
  PreflightResult,
} from '@drover/protocol';
import {
  host as agentHost,
  INSTANCE_ID,
  instance,
  MIGRATION_ID,
  progress,
  report,
  VMM_ID,
} from './documents.js';

export const AT = '2026-01-01T00:00:00.000Z';
export const HOST_A = '44444444-4444-4444-8444-44444444444a';
export const HOST_B = '44444444-4444-4444-8444-44444444444b';
export const DRAIN_ID = '55555555-5555-4555-8555-555555555555';

export function hostView(name: string, change: Partial<HostView> = {}): HostView {
  return {
    id: name === 'a' ? HOST_A : HOST_B,
    name,
    url: `http://${name}:7700`,
    state: 'active',
    desired: 'active',
    labels: { rack: '7' },
    description: { ...agentHost, name },
    capacity: { cpus: 8, memoryBytes: 16 * 2 ** 30, cpusUsed: 3, memoryBytesUsed: 3 * 2 ** 30 },
    vmms: 1,
    registeredAt: AT,
    lastSeenAt: AT,
    reason: null,
    ...change,
  };
}

export const fleetInstance: FleetInstance = {
  id: INSTANCE_ID,
  name: 'web-1',
  spec: instance.spec,
  labels: { tier: 'web' },
  placement: { host: null, labels: {}, antiAffinity: null, strategy: 'spread' },
  desired: 'running',
  vmm: {
    id: VMM_ID,
    instanceId: INSTANCE_ID,
    hostId: HOST_A,
    hostName: 'a',
    state: instance.state,
    ended: null,
    seenAt: AT,
    current: true,
  },
  migrationId: null,
  problem: null,
  createdAt: AT,
};

const stepNames = ['preflight', 'reserve', 'prepare', 'move', 'confirm', 'release'] as const;

/** A migration of which the first `done` steps are done, and the next one runs. */
export function fleetMigration(done: number, change: Partial<FleetMigration> = {}): FleetMigration {
  return {
    id: MIGRATION_ID,
    instanceId: INSTANCE_ID,
    instanceName: 'web-1',
    source: { id: HOST_A, name: 'a' },
    destination: done === 0 ? null : { id: HOST_B, name: 'b' },
    state: 'running',
    phase: null,
    progress: null,
    settings: report.settings,
    steps: stepNames.map((name, index) => ({
      name,
      state: index < done ? 'done' : index === done ? 'running' : 'waiting',
      attempts: index <= done ? 1 : 0,
      startedAt: index <= done ? AT : null,
      endedAt: index < done ? AT : null,
      error: null,
    })),
    drainId: null,
    cancelRequested: false,
    report: null,
    error: null,
    createdAt: AT,
    endedAt: null,
    ...change,
  };
}

export const moving = fleetMigration(3, { phase: 'rounds', progress: progress() });
export const movedMigration = fleetMigration(6, { state: 'completed', phase: 'done', report, endedAt: AT });
export const cancelledMigration = fleetMigration(3, {
  state: 'cancelled',
  error: { code: 'migration-cancelled', message: 'Somebody cancelled it.', retryable: true },
  endedAt: AT,
});
export const refusedMigration = fleetMigration(0, {
  state: 'failed',
  error: { code: 'no-host-fits', message: 'No host has room.', retryable: true },
  endedAt: AT,
});

type Item = DrainView['items'][number];
type ItemState = Item['state'];

/** A drain of host a whose guests are in these states. */
export function drainView(states: readonly ItemState[], change: Partial<DrainView> = {}): DrainView {
  const items = states.map(
    (state, index): Item => ({
      instanceId: `11111111-1111-4111-8111-11111111111${index}`,
      instanceName: `web-${index + 1}`,
      state,
      attempts: state === 'waiting' ? 0 : 1,
      migrationId: state === 'waiting' ? null : MIGRATION_ID,
      destination: state === 'waiting' || state === 'stays' ? null : 'b',
      error:
        state === 'stays'
          ? { code: 'identity-mismatch', message: 'The destination has no KVM.', retryable: false }
          : null,
    }),
  );
  return {
    id: DRAIN_ID,
    hostId: HOST_A,
    hostName: 'a',
    state: 'running',
    concurrency: 2,
    total: states.length,
    moved: states.filter((state) => state === 'moved').length,
    stays: states.filter((state) => state === 'stays').length,
    items,
    createdAt: AT,
    endedAt: null,
    ...change,
  };
}

export const preflight: PreflightResult[] = [
  {
    host: { id: HOST_A, name: 'a' },
    moves: false,
    findings: [
      {
        severity: 'refused',
        code: 'cpu-not-offered',
        sentence: 'Host a lacks avx512f, which the guest was started with.',
        remedy: 'Choose another host.',
      },
    ],
  },
  { host: { id: HOST_B, name: 'b' }, moves: true, findings: [] },
];

export const plan: FleetPlan = {
  steps: [
    {
      hosts: [{ id: HOST_A, name: 'a', release: '0.1.0', vmms: 1 }],
      moves: [{ instanceId: INSTANCE_ID, instanceName: 'web-1', from: 'a', to: 'b', problem: null }],
    },
  ],
  possible: true,
  notes: [],
};

export const events = {
  host: (view: HostView): FleetEvent => ({ kind: 'host', at: AT, host: view }),
  migration: (migration: FleetMigration): FleetEvent => ({ kind: 'migration', at: AT, migration }),
  drain: (drain: DrainView): FleetEvent => ({ kind: 'drain', at: AT, drain }),
  gap: { kind: 'gap', at: AT } satisfies FleetEvent,
} as const;
