import {
  type DowntimeReport,
  formatBytes,
  formatDuration,
  type MigrationReport,
  type RoundReport,
} from '@drover/types';
import { formatCount } from '../output/format.js';
import { type Column, renderTable } from '../output/table.js';
import type { MigrationOutcome } from './display.js';

/** How a migration ended, with its report where there is one. Ends with a newline. */
export function renderOutcome(migration: MigrationOutcome): string {
  const { instanceName, peer, report } = migration;
  const phase = migration.phase === null ? '' : `in phase ${migration.phase}`;
  switch (migration.state) {
    case 'completed':
      return `${instanceName} moved to ${peer}.\n${report === null ? '' : renderReport(report)}`;
    case 'cancelled':
      return `The migration of ${instanceName} was cancelled; the guest stays where it was.\n`;
    case 'failed':
      return `The migration of ${instanceName} to ${peer} failed ${phase || 'before it began'}.\n`;
    case 'in-doubt':
      return `${instanceName} was handed over, and ${peer} has not said yet that it runs; the guest stays paused at its source until it has.\n`;
    case 'running':
      return `The migration of ${instanceName} to ${peer} goes on${phase && `, ${phase}`}.\n`;
    case 'waiting':
      return `The migration of ${instanceName} to ${peer} waits for its turn.\n`;
  }
}

/** The report's numbers as a person wants them: the sum, the rounds, the downtime by part. */
export function renderReport(report: MigrationReport): string {
  const verified = report.verified === null ? '' : report.verified ? ', memory verified' : ', memory DIFFERS';
  const pages = `${formatCount(report.dataPages)} data and ${formatCount(report.zeroPages)} zero pages`;
  return [
    `  total ${formatDuration(report.totalMs)}, downtime ${formatDuration(report.downtime.totalMs)}${verified}`,
    `  sent ${formatBytes(report.wireBytes)}: ${pages}, ${formatBytes(report.stateBytes)} of device state`,
    '',
    indent(renderTable(roundColumns, report.rounds)),
    '',
    indent(renderTable(partColumns, downtimeParts(report.downtime))),
    '',
  ].join('\n');
}

const roundColumns: readonly Column<RoundReport>[] = [
  { title: 'round', value: ({ round }) => String(round), align: 'right' },
  { title: 'time', value: ({ durationMs }) => formatDuration(durationMs), align: 'right' },
  { title: 'pages', value: ({ pages }) => formatCount(pages), align: 'right' },
  { title: 'data', value: ({ dataPages }) => formatCount(dataPages), align: 'right' },
  { title: 'zero', value: ({ zeroPages }) => formatCount(zeroPages), align: 'right' },
  { title: 'torn', value: ({ tornPages }) => formatCount(tornPages), align: 'right' },
  { title: 'sent', value: ({ wireBytes }) => formatBytes(wireBytes), align: 'right' },
  { title: 'stopped', value: ({ quiescedMs }) => formatDuration(quiescedMs), align: 'right' },
];

interface DowntimePart {
  readonly name: string;
  readonly ms: number;
}

const partColumns: readonly Column<DowntimePart>[] = [
  { title: 'downtime', value: ({ name }) => name },
  { title: 'time', value: ({ ms }) => formatDuration(ms), align: 'right' },
];

function downtimeParts(downtime: DowntimeReport): readonly DowntimePart[] {
  return [
    { name: 'pause', ms: downtime.pauseMs },
    { name: 'last round', ms: downtime.lastRoundMs },
    { name: 'state save', ms: downtime.stateSaveMs },
    { name: 'verify', ms: downtime.verifyMs },
    { name: 'load', ms: downtime.loadMs },
    { name: 'handover', ms: downtime.handoverMs },
    { name: 'resume', ms: downtime.resumeMs },
    { name: 'all', ms: downtime.totalMs },
  ];
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
