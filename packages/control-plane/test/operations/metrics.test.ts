import { describe, expect, it, onTestFinished } from 'vitest';
import { ReplicaMetrics } from '../../src/operations/metrics.js';
import { newStateCounters, noteLag } from '../../src/state/counters.js';

function replica() {
  const counters = newStateCounters();
  const metrics = new ReplicaMetrics({
    counters,
    hostStates: () => ['active', 'active', 'unreachable'],
    vmms: () => 7,
    refreshQueue: () => 3,
    unknownRings: () => 0,
    agentLoad: () => ({ running: 2, waiting: 5 }),
  });
  onTestFinished(() => metrics.close());
  return { counters, metrics };
}

describe('the metrics of a control plane', () => {
  it('tell how much each path found (R10)', async () => {
    const { counters, metrics } = replica();
    counters.found.doorbell = 5;
    counters.found.watcher = 2;
    counters.rings.unknown = 1;
    counters.stale = 4;
    for (const ms of [10, 20, 30]) noteLag(counters, ms);
    const text = await metrics.text();
    for (const line of [
      'drover_states_found_total{by="doorbell"} 5',
      'drover_states_found_total{by="watcher"} 2',
      'drover_doorbell_rings_total{vmm="unknown"} 1',
      'drover_states_stale_total 4',
      'drover_refresh_lag_seconds{quantile="0.5"} 0.02',
      'drover_refresh_lag_seconds{quantile="1"} 0.03',
      'drover_hosts{state="active"} 2',
      'drover_hosts{state="unreachable"} 1',
      'drover_vmms 7',
      'drover_refresh_queue 3',
      'drover_agent_requests_waiting 5',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    // Counted, not added up again, at each scrape.
    expect(await metrics.text()).toContain('drover_states_found_total{by="doorbell"} 5\n');
  });

  it('count migrations by outcome, with the downtime that the agents measured', async () => {
    const { metrics } = replica();
    const downtime = { totalMs: 12 } as never;
    metrics.migrationEnded({ outcome: 'completed', seconds: 3, report: { downtime, wireBytes: 1_000 } });
    metrics.migrationEnded({ outcome: 'failed', seconds: 1, report: null });
    const text = await metrics.text();
    for (const line of [
      'drover_fleet_migrations_ended_total{outcome="completed"} 1',
      'drover_fleet_migrations_ended_total{outcome="failed"} 1',
      'drover_fleet_migration_downtime_seconds_sum 0.012',
      'drover_fleet_migration_downtime_seconds_count 1',
      'drover_fleet_migration_bytes_total 1000',
      'drover_fleet_migration_duration_seconds_count{outcome="failed"} 1',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
  });
});
