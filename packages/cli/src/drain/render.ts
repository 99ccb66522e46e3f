import type { DrainView, FleetMigration } from '@drover/protocol';
import { formatBandwidth, formatBytes, formatDuration } from '@drover/types';
import { formatProblem, renderFields } from '../output/fields.js';
import { type Column, renderTable } from '../output/table.js';
import { bar, cutLine, percent } from '../progress/block.js';
import { describeStep } from '../progress/step.js';

type Item = DrainView['items'][number];

/** Guests on the screen at once, of those that move and of those that stay; the rest is counted. */
const MOST_LINES = 8;
/** Of one guest page, bytes. */
const PAGE_BYTES = 4096;

export function renderDrains(items: readonly DrainView[]): string {
  return `${renderTable(columns, items)}\n`;
}

const columns: readonly Column<DrainView>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'HOST', value: ({ hostName }) => hostName },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'MOVED', value: ({ moved, total }) => `${moved}/${total}`, align: 'right' },
  { title: 'STAYS', value: ({ stays }) => String(stays), align: 'right' },
  { title: 'CREATED', value: ({ createdAt }) => createdAt },
];

/** The whole drain, guest by guest. */
export function renderDrain(drain: DrainView): string {
  const { id, hostName, state, concurrency, items, createdAt, endedAt } = drain;
  const fields = renderFields([
    ['host', hostName],
    ['id', id],
    ['state', state],
    ['guests', describeCounts(drain)],
    ['at once', String(concurrency)],
    ['created', createdAt],
    ['ended', endedAt],
  ]);
  return items.length === 0 ? fields : `${fields}\n${renderTable(itemColumns, items)}\n`;
}

const itemColumns: readonly Column<Item>[] = [
  { title: 'INSTANCE', value: ({ instanceName }) => instanceName },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'TO', value: ({ destination }) => destination ?? '-' },
  { title: 'TRIES', value: ({ attempts }) => String(attempts), align: 'right' },
  { title: 'PROBLEM', value: ({ error }) => formatProblem(error) ?? '-' },
];

/** `3 of 20 moved, 2 moving, 14 waiting, 1 stays`. */
export function describeCounts({ total, items }: DrainView): string {
  const count = (state: Item['state']) => items.filter((item) => item.state === state).length;
  return `${count('moved')} of ${total} moved, ${count('moving')} moving, ${count('waiting')} waiting, ${count('stays')} stay`;
}

/** The lines of the live view. `migrations`: those of the drain that were seen, by id. */
export function renderDrainBlock(
  drain: DrainView,
  migrations: ReadonlyMap<string, FleetMigration>,
  elapsedMs: number,
  width: number,
): readonly string[] {
  const done = drain.total === 0 ? 1 : drain.moved / drain.total;
  const moving = drain.items.filter(({ state }) => state === 'moving');
  const stays = drain.items.filter(({ state }) => state === 'stays');
  const nameWidth = Math.max(8, ...[...moving, ...stays].map(({ instanceName }) => instanceName.length));
  const lines = [
    `Draining ${drain.hostName}: ${describeCounts(drain)}   ${formatDuration(elapsedMs)}`,
    `  ${bar(done)} ${percent(done)}`,
    ...some(moving, (item) => {
      const migration = item.migrationId === null ? undefined : migrations.get(item.migrationId);
      return `  ${item.instanceName.padEnd(nameWidth)}  → ${(item.destination ?? migration?.destination?.name ?? '?').padEnd(12)}  ${describeMigration(migration)}`;
    }),
    ...some(
      stays,
      (item) =>
        `  ${item.instanceName.padEnd(nameWidth)}  stays: ${formatProblem(item.error) ?? 'no reason given'}`,
    ),
  ];
  return lines.map((line) => cutLine(line, width));
}

function some(items: readonly Item[], line: (item: Item) => string): readonly string[] {
  const shown = items.slice(0, MOST_LINES).map(line);
  return items.length > MOST_LINES ? [...shown, `  and ${items.length - MOST_LINES} more`] : shown;
}

function describeMigration(migration: FleetMigration | undefined): string {
  if (migration === undefined) return 'begins';
  const { progress, cancelRequested } = migration;
  if (progress === null) return describeStep(migration);
  return [
    `${progress.phase} ${progress.round}`.padEnd(13),
    `left ${formatBytes(progress.pagesRemaining * PAGE_BYTES).padEnd(9)}`,
    formatBandwidth(progress.bandwidthBytesPerSecond),
    ...(cancelRequested ? ['to be cancelled'] : []),
  ].join(' ');
}

/** What a log is told: one line for each guest whose state is another than in `before`. */
export function describeChanges(before: DrainView | null, drain: DrainView): readonly string[] {
  const states = new Map(before?.items.map(({ instanceId, state }) => [instanceId, state]));
  return drain.items
    .filter(({ instanceId, state }) => state !== 'waiting' && states.get(instanceId) !== state)
    .map(({ instanceName, state, destination, error }) => {
      const where = destination === null || state === 'stays' ? '' : ` to ${destination}`;
      const why = state === 'stays' ? `: ${formatProblem(error) ?? 'no reason given'}` : '';
      return `${instanceName} ${state}${where}${why}  (${drain.moved} of ${drain.total} moved)`;
    });
}
