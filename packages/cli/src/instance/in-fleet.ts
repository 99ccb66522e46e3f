import { AgentClient, type ControlPlaneClient } from '@drover/client';
import type { FleetInstance } from '@drover/protocol';
import { writeInstanceSpec } from '@drover/types';
import { cliErrors } from '../errors.js';
import { pageSize, takeItems } from '../fleet/items.js';
import type { ListForm } from '../fleet/list-display.js';
import { formatLabels, formatProblem, renderFields } from '../output/fields.js';
import type { Printed } from '../output/print.js';
import { type Column, renderTable } from '../output/table.js';
import { formatAccelerator, formatDriver } from './on-agent.js';
import type { InstanceSide } from './side.js';
import { waitUntilGone, waitUntilReached } from './wait.js';

/** Instances of the whole fleet. What is asked is what shall be; `--wait` waits until it is so, and `signal` ends the waiting. */
export function instancesInFleet(client: ControlPlaneClient, signal: AbortSignal): InstanceSide {
  const reached = async (instance: FleetInstance, wait: number | undefined) =>
    printed(wait === undefined ? instance : await waitUntilReached(client, instance, wait, signal));
  return {
    async create(spec, options) {
      const { start = false, host, label, requireLabel, antiAffinity, strategy, wait } = options;
      const instance = await client.createInstance({
        spec: writeInstanceSpec(spec),
        start,
        ...(label === undefined ? {} : { labels: { ...label } }),
        placement: {
          ...(host === undefined ? {} : { host }),
          ...(requireLabel === undefined ? {} : { labels: { ...requireLabel } }),
          ...(antiAffinity === undefined ? {} : { antiAffinity }),
          ...(strategy === undefined ? {} : { strategy }),
        },
      });
      return reached(instance, wait);
    },
    async list({ limit, ...filter }) {
      const items = await takeItems(client.eachInstance({ ...filter, limit: pageSize(limit) }), limit);
      return { document: { items }, text: renderInstances(items) };
    },
    show: async (name) => printed(await client.getInstance(name)),
    start: async (name, { wait }) => reached(await client.startInstance(name), wait),
    stop: async (name, { force = false, wait }) => reached(await client.stopInstance(name, { force }), wait),
    async delete(name, { wait }) {
      await client.deleteInstance(name);
      if (wait !== undefined) await waitUntilGone(client, name, wait, signal);
      return { document: { deleted: true }, text: `${name} deleted.\n` };
    },
    async consoleUrl(name) {
      const { id, vmm } = await client.getInstance(name);
      if (vmm === null) {
        throw cliErrors.error('cli-console-unreachable', `${name} is on no host yet, so it has no console.`);
      }
      // The console is the host's own: its bytes do not go through the control plane.
      return new AgentClient({ url: (await client.getHost(vmm.hostId)).url }).openConsole(id);
    },
    log: (name, tailBytes) => client.getInstanceLog(name, { tailBytes }),
  };
}

export function renderInstances(items: readonly FleetInstance[]): string {
  return `${renderTable(columns, items)}\n`;
}

/** As `instance list --watch` shows them. */
export const instanceList: ListForm<FleetInstance> = {
  what: 'instance',
  table: renderInstances,
  event: (instance) => ({ kind: 'instance', at: instance.createdAt, instance }),
  withoutTimes: ({ vmm, ...instance }) => ({ ...instance, vmm: vmm && { ...vmm, seenAt: null } }),
};

const columns: readonly Column<FleetInstance>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'STATE', value: formatLife },
  { title: 'HOST', value: ({ vmm }) => vmm?.hostName ?? '-' },
  { title: 'CPUS', value: ({ spec }) => String(spec.cpus), align: 'right' },
  { title: 'MEMORY', value: ({ spec }) => `${spec.memoryMiB} MiB`, align: 'right' },
  { title: 'NOTE', value: formatNote },
  { title: 'ID', value: ({ id }) => id },
];

/** What it is; and what it shall be, where that is something else. */
function formatLife({ vmm, desired }: FleetInstance): string {
  const life = vmm?.state.life ?? 'not placed';
  return lives[desired].has(life) ? life : `${life} → ${desired}`;
}

/** How a VMM lives where its instance is what it shall be. */
const lives: Readonly<Record<FleetInstance['desired'], ReadonlySet<string>>> = {
  running: new Set(['running', 'migrating-out', 'migrating-in']),
  stopped: new Set(['stopped', 'failed', 'not placed']),
  deleted: new Set(),
};

function formatNote({ problem, migrationId, vmm }: FleetInstance): string {
  if (problem !== null) return problem.code;
  if (migrationId !== null) return 'moving';
  return vmm?.current === false ? 'not seen now' : '-';
}

function printed(instance: FleetInstance): Printed {
  const { id, name, spec, labels, placement, vmm, migrationId, problem, createdAt } = instance;
  const state = vmm?.state ?? null;
  const text = renderFields([
    ['name', name],
    ['id', id],
    ['state', formatLife(instance)],
    ['problem', formatProblem(problem)],
    ['host', vmm === null ? null : vmm.hostName],
    ['seen', vmm === null ? null : vmm.current ? vmm.seenAt : `${vmm.seenAt}; its host does not answer now`],
    ['migration', migrationId],
    ['labels', formatLabels(labels)],
    ['pinned to', placement.host],
    ['host labels', formatLabels(placement.labels)],
    ['apart from', placement.antiAffinity],
    ['cpus', String(spec.cpus)],
    ['memory', `${spec.memoryMiB} MiB`],
    ['machine', state?.machineType ?? spec.machineType],
    ['accelerator', state === null ? null : formatAccelerator(state)],
    ['vmm', state === null ? null : formatDriver(state)],
    ['vmm problem', formatProblem(state?.error ?? null)],
    ['epoch', state === null ? null : state.epoch],
    ['generation', state === null ? null : state.generation],
    ['created', createdAt],
  ]);
  return { document: instance, text };
}
