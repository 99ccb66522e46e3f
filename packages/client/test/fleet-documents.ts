/** Documents of the public API, as small as the contract lets them be. */
import type { FleetMigration, HostView } from '@drover/protocol/public';

export const uuid = '00000000-0000-4000-8000-000000000001';
export const at = '2026-01-02T03:04:05.000Z';

export function host(name: string): HostView {
  return {
    id: uuid,
    name,
    url: 'http://10.0.0.1:7700',
    state: 'active',
    desired: 'active',
    labels: {},
    description: null,
    capacity: null,
    vmms: 0,
    registeredAt: at,
    lastSeenAt: null,
    reason: null,
  };
}

export function migration(state: FleetMigration['state']): FleetMigration {
  return {
    id: uuid,
    instanceId: uuid,
    instanceName: 'web-1',
    source: { id: uuid, name: 'a' },
    destination: { id: uuid, name: 'b' },
    state,
    phase: null,
    progress: null,
    settings: {
      connections: 2,
      bandwidthBytesPerSecond: null,
      maxDowntimeMs: 100,
      maxRounds: 60,
      timeoutMs: 3_600_000,
      verify: false,
    },
    steps: [],
    drainId: null,
    cancelRequested: false,
    report: null,
    error: null,
    createdAt: at,
    endedAt: null,
  };
}
