import type { HostView } from '@drover/protocol';
import { formatBytes } from '@drover/types';
import type { ListForm } from '../fleet/list-display.js';
import { formatLabels, renderFields } from '../output/fields.js';
import { type Column, renderTable } from '../output/table.js';

export function renderHosts(items: readonly HostView[]): string {
  return `${renderTable(columns, items)}\n`;
}

/** As `host list --watch` shows them. */
export const hostList: ListForm<HostView> = {
  what: 'host',
  table: renderHosts,
  event: (host) => ({ kind: 'host', at: host.registeredAt, host }),
  withoutTimes: ({ lastSeenAt: _, ...host }) => host,
};

const columns: readonly Column<HostView>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'STATE', value: formatState },
  { title: 'VMMS', value: ({ vmms }) => String(vmms), align: 'right' },
  { title: 'CPUS', value: (host) => formatCpus(host) ?? '-', align: 'right' },
  { title: 'MEMORY', value: (host) => formatMemory(host) ?? '-', align: 'right' },
  { title: 'RELEASE', value: ({ description }) => description?.release ?? '-' },
  { title: 'LABELS', value: ({ labels }) => formatLabels(labels) ?? '-' },
  { title: 'ID', value: ({ id }) => id },
];

export function renderHost(host: HostView): string {
  const { id, name, url, description, labels, vmms, registeredAt, lastSeenAt, reason } = host;
  return renderFields([
    ['name', name],
    ['id', id],
    ['state', formatState(host)],
    ['reason', reason],
    ['agent', url],
    ['release', description?.release ?? null],
    ['peer', description === null ? null : `${description.peer.host}:${description.peer.port}`],
    ['processor', description?.cpu?.model ?? null],
    ['cpus', formatCpus(host)],
    ['memory', formatMemory(host)],
    ['vmms', String(vmms)],
    ['labels', formatLabels(labels)],
    ...(description?.drivers ?? []).map(
      ({ name: driver, version, unusable }) =>
        [
          `driver`,
          `${driver}${version === null ? '' : ` ${version}`}${unusable === null ? '' : `: ${unusable}`}`,
        ] as const,
    ),
    ['registered', registeredAt],
    ['seen', lastSeenAt],
  ]);
}

/** What it is; and what it shall be, where an operator wants something else. */
function formatState({ state, desired }: HostView): string {
  const onTheWay = desired === 'maintenance' ? state === 'maintenance' : state === desired;
  return onTheWay || state === 'lost' || (desired === 'draining' && state === 'maintenance')
    ? state
    : `${state} → ${desired}`;
}

function formatCpus({ capacity }: HostView): string | null {
  return capacity === null ? null : `${capacity.cpusUsed}/${capacity.cpus}`;
}

function formatMemory({ capacity }: HostView): string | null {
  if (capacity === null) return null;
  return `${formatBytes(capacity.memoryBytesUsed)}/${formatBytes(capacity.memoryBytes)}`;
}
