import type { AgentClient } from '@drover/client';
import type { MigrationView } from '@drover/protocol';
import { formatDuration } from '@drover/types';
import { type Column, renderTable } from '../output/table.js';
import type { MigrationDisplay } from '../progress/display.js';
import type { Followed } from './follow.js';

/** A migration that an agent takes part in, followed by the agent's events. */
export function onAgent(client: AgentClient, id: string, display: MigrationDisplay): Followed<MigrationView> {
  return {
    async watch(signal) {
      for await (const event of client.watchMigration(id, { signal })) {
        if (event.kind === 'ended') return event.migration;
        display.event(event);
      }
      return client.getMigration(id, { signal });
    },
    cancel: () => client.cancelMigration(id),
  };
}

export function renderAgentMigrations(items: readonly MigrationView[]): string {
  return `${renderTable(columns, items)}\n`;
}

const columns: readonly Column<MigrationView>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'INSTANCE', value: ({ instanceName }) => instanceName },
  { title: 'ROLE', value: ({ role }) => role },
  { title: 'PEER', value: ({ peer }) => peer },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'PHASE', value: ({ phase }) => phase },
  {
    title: 'DOWNTIME',
    value: ({ report }) => (report === null ? '-' : formatDuration(report.downtime.totalMs)),
    align: 'right',
  },
  { title: 'STARTED', value: ({ startedAt }) => startedAt },
];
