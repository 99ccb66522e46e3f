import { randomUUID } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { newMigrationView } from '../../src/migrations/store.js';
import { AgentMetrics, type AgentState } from '../../src/operations/metrics.js';
import { spec, startTestAgent } from '../support/agent.js';
import { FakeControlPlane } from '../support/fake-control-plane.js';
import { REPORT } from '../support/report.js';
import { until } from '../support/until.js';

const idle: AgentState = {
  lives: () => [],
  migrations: () => [],
  unacknowledgedVmms: () => 0,
  reporting: () => undefined,
};

function metrics(): AgentMetrics {
  const made = new AgentMetrics(idle);
  onTestFinished(() => made.close());
  return made;
}

const view = newMigrationView({
  ...{ id: randomUUID(), instanceId: randomUUID(), instanceName: 'web-1', peer: 'b:1' },
  ...({ role: 'source', phase: 'done' } as const),
});
const ended = {
  ...view,
  ...({ state: 'completed', report: REPORT } as const),
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: '2026-01-01T00:00:02.000Z',
};

describe('the metrics of an agent', () => {
  it('count a migration that ended once, its downtime at the source alone, which measures it', async () => {
    const ours = metrics();
    ours.migrationEnded(ended);
    ours.migrationEnded({ ...ended, role: 'destination' });
    ours.migrationEnded({ ...ended, state: 'failed', report: null });
    const text = await ours.text();
    for (const line of [
      'drover_migrations_ended_total{role="source",outcome="completed"} 1',
      'drover_migrations_ended_total{role="source",outcome="failed"} 1',
      'drover_migrations_ended_total{role="destination",outcome="completed"} 1',
      'drover_migration_duration_seconds_sum{role="source",outcome="completed"} 2',
      'drover_migration_downtime_seconds_count 1',
      `drover_migration_bytes_total ${REPORT.wireBytes}`,
    ]) {
      expect(text).toContain(`${line}\n`);
    }
  });

  it('tell what the host has, and what it told its control plane', async () => {
    const plane = await FakeControlPlane.start();
    const test = await startTestAgent({ controlPlane: { urls: [plane.url], heartbeatMs: 50 } });
    await test.client.createInstance({ spec: spec('web-1'), start: true });
    await test.client.createInstance({ spec: spec('web-2') });
    await test.client.deleteInstance('web-2');
    const scrape = async () => (await fetch(`${test.agent.url}/metrics`)).text();
    const text = await until(
      scrape,
      (all) =>
        all.includes('drover_registered 1\n') && /drover_rings_total\{outcome="answered"\} [1-9]/.test(all),
    );
    expect(text).toContain('drover_instances{life="running"} 1\n');
    expect(text).toContain('drover_ended_vmms 1\n');
    expect(text).toMatch(/^drover_event_loop_delay_seconds\{quantile="0.99"\} [0-9.e-]+$/m);
  });

  it('say nothing of a control plane where there is none', async () => {
    const text = await metrics().text();
    expect(text).not.toMatch(/^drover_registered /m);
    expect(text).toContain('drover_rings_waiting 0\n');
  });
});
