import { formatBandwidth, formatBytes, formatDuration, type MigrationProgress } from '@drover/types';
import { formatCount } from '../output/format.js';
import type { MigrationTitle } from './display.js';

/** Of one guest page, bytes. */
const PAGE_BYTES = 4096;
const BAR_CELLS = 24;
const LABEL_WIDTH = 12;

/**
 * The lines of the live display, each at most `width` characters. `step` says what is done before the first
 * progress; `elapsedMs` is since the display began.
 */
export function renderBlock(
  title: MigrationTitle,
  progress: MigrationProgress | null,
  step: string,
  elapsedMs: number,
  width: number,
): readonly string[] {
  const heading = `Moving ${title.instance} to ${title.destination}`;
  const lines =
    progress === null
      ? [heading, row('phase', `${step}   ${formatDuration(elapsedMs)}`)]
      : [
          heading,
          row('phase', `${progress.phase}, round ${progress.round}   ${formatDuration(elapsedMs)}`),
          row('memory', `${bar(doneFraction(progress))} ${percent(doneFraction(progress))}`),
          row('sent', `${formatBytes(progress.wireBytes)} in ${formatCount(progress.pagesSent)} pages`),
          row('remaining', formatBytes(progress.pagesRemaining * PAGE_BYTES)),
          row('bandwidth', formatBandwidth(progress.bandwidthBytesPerSecond)),
          row('dirty rate', dirtyRate(progress)),
          row('downtime', expectedDowntime(progress, title.maxDowntimeMs)),
        ];
  return lines.map((line) => cutLine(line, width));
}

/** A line that wraps would make the display climb the screen, since it counts lines to go back up. */
export function cutLine(line: string, width: number): string {
  return line.length > width ? `${line.slice(0, Math.max(width - 1, 0))}…` : line;
}

/** The same in one line, for logs. */
export function renderLine(progress: MigrationProgress): string {
  return [
    `${progress.phase} round ${progress.round}`,
    `sent ${formatBytes(progress.wireBytes)}`,
    `remaining ${formatBytes(progress.pagesRemaining * PAGE_BYTES)}`,
    formatBandwidth(progress.bandwidthBytesPerSecond),
    `dirty rate ${dirtyRate(progress)}`,
    `downtime ${expectedDowntime(progress, null)}`,
  ].join('  ');
}

function row(label: string, value: string): string {
  return `  ${label.padEnd(LABEL_WIDTH)}${value}`;
}

function doneFraction({ pagesSent, pagesRemaining, phase }: MigrationProgress): number {
  if (phase === 'done') return 1;
  const pages = pagesSent + pagesRemaining;
  return pages === 0 ? 0 : pagesSent / pages;
}

/** `[####....]`. */
export function bar(fraction: number): string {
  const filled = Math.floor(fraction * BAR_CELLS);
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_CELLS - filled)}]`;
}

export function percent(fraction: number): string {
  return `${Math.floor(fraction * 100)} %`;
}

function dirtyRate({ dirtyPagesPerSecond }: MigrationProgress): string {
  return dirtyPagesPerSecond === null ? 'not measured yet' : `${formatCount(dirtyPagesPerSecond)} pages/s`;
}

function expectedDowntime({ expectedDowntimeMs }: MigrationProgress, budgetMs: number | null): string {
  const expected =
    expectedDowntimeMs === null ? 'not known yet' : `about ${formatDuration(expectedDowntimeMs)}`;
  return budgetMs === null ? expected : `${expected} (budget ${formatDuration(budgetMs)})`;
}
