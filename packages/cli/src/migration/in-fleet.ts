import { type ControlPlaneClient, hasEnded } from '@drover/client';
import type { FleetMigration, MigrationStep } from '@drover/protocol';
import { formatDuration } from '@drover/types';
import { formatProblem, renderFields } from '../output/fields.js';
import { type Column, renderTable } from '../output/table.js';
import type { MigrationDisplay, MigrationOutcome } from '../progress/display.js';
import { renderOutcome } from '../progress/outcome.js';
import type { Followed } from './follow.js';

/** A migration of the fleet, followed by the control plane's events. */
export function inFleet(
  client: ControlPlaneClient,
  id: string,
  display: MigrationDisplay,
): Followed<FleetMigration> {
  return {
    async watch(signal) {
      for await (const migration of client.watchMigration(id, { signal })) {
        if (hasEnded(migration)) return migration;
        display.event({ kind: 'migration', migration });
      }
      return client.getMigration(id, { signal });
    },
    cancel: () => client.cancelMigration(id),
  };
}

export function fleetOutcome(migration: FleetMigration): MigrationOutcome {
  const { instanceName, destination, state, phase, report, error } = migration;
  return { instanceName, peer: destination?.name ?? 'another host', state, phase, report, error };
}

export function renderFleetMigrations(items: readonly FleetMigration[]): string {
  return `${renderTable(columns, items)}\n`;
}

const columns: readonly Column<FleetMigration>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'INSTANCE', value: ({ instanceName }) => instanceName },
  { title: 'FROM', value: ({ source }) => source.name },
  { title: 'TO', value: ({ destination }) => destination?.name ?? '-' },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'PHASE', value: ({ phase }) => phase ?? '-' },
  {
    title: 'DOWNTIME',
    value: ({ report }) => (report === null ? '-' : formatDuration(report.downtime.totalMs)),
    align: 'right',
  },
  { title: 'CREATED', value: ({ createdAt }) => createdAt },
];

/** How it stands, then its steps. */
export function renderFleetMigration(migration: FleetMigration): string {
  const { id, source, destination, drainId, createdAt, endedAt, steps } = migration;
  const fields = renderFields([
    ['id', id],
    ['from', source.name],
    ['to', destination?.name ?? 'not chosen yet'],
    ['drain', drainId],
    ['created', createdAt],
    ['ended', endedAt],
  ]);
  return `${renderOutcome(fleetOutcome(migration))}\n${fields}\n${renderTable(stepColumns, steps)}\n`;
}

const stepColumns: readonly Column<MigrationStep>[] = [
  { title: 'STEP', value: ({ name }) => name },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'TRIES', value: ({ attempts }) => String(attempts), align: 'right' },
  { title: 'TIME', value: duration, align: 'right' },
  { title: 'PROBLEM', value: ({ error }) => formatProblem(error) ?? '-' },
];

function duration({ startedAt, endedAt }: MigrationStep): string {
  if (startedAt === null || endedAt === null) return '-';
  return formatDuration(Date.parse(endedAt) - Date.parse(startedAt));
}
