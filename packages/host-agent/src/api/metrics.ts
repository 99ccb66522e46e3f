/** `GET /metrics`: a few gauges in the text format of Prometheus. */
import { RELEASE } from '@drover/types';
import type { InstanceRegistry } from '../instances/registry.js';
import type { MigrationStore } from '../migrations/store.js';

export function metricsText(registry: InstanceRegistry, store: MigrationStore): string {
  const instances = count(registry.list().map(({ snapshot }) => `life="${snapshot.life}"`));
  const migrations = count(store.list().map(({ role, state }) => `role="${role}",state="${state}"`));
  return [
    ...gauge('drover_agent_info', 'The release that runs.', new Map([[`release="${RELEASE}"`, 1]])),
    ...gauge('drover_instances', 'Instances on this host.', instances),
    ...gauge('drover_migrations', 'Migrations that this host took part in, the newest 500.', migrations),
    ...gauge(
      'process_resident_memory_bytes',
      'Resident memory of the agent.',
      new Map([['', process.memoryUsage.rss()]]),
    ),
    '',
  ].join('\n');
}

function gauge(name: string, help: string, values: ReadonlyMap<string, number>): string[] {
  const lines = [...values].map(([labels, value]) => `${name}${labels ? `{${labels}}` : ''} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines];
}

function count(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys.toSorted()) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}
