import type { AgentClient } from '@drover/client';
import type { InstanceView } from '@drover/protocol';
import { writeInstanceSpec } from '@drover/types';
import { formatProblem, renderFields } from '../output/fields.js';
import type { Printed } from '../output/print.js';
import { type Column, renderTable } from '../output/table.js';
import { refuseForAgent } from '../target/choose.js';
import type { InstanceSide } from './side.js';

/** Instances of one host. The agent answers when what was asked is done, so there is nothing to wait for. */
export function instancesOnAgent(client: AgentClient): InstanceSide {
  return {
    async create(spec, options) {
      refuseForAgent({ ...options }, '--host', '--label', '--require-label', '--anti-affinity', '--strategy');
      const body = { spec: writeInstanceSpec(spec), start: options.start === true };
      return printed(await client.createInstance(body));
    },
    async list(options) {
      refuseForAgent({ ...options }, '--host', '--life', '--label', '--name', '--limit');
      const items = await client.listInstances();
      return { document: { items }, text: `${renderTable(columns, items)}\n` };
    },
    show: async (name) => printed(await client.getInstance(name)),
    start: async (name) => printed(await client.startInstance(name)),
    stop: async (name, { force = false }) => printed(await client.stopInstance(name, { force })),
    async delete(name) {
      await client.deleteInstance(name);
      return { document: { deleted: true }, text: `${name} deleted.\n` };
    },
    consoleUrl: async (name) => client.openConsole(name),
    log: (name, tailBytes) => client.getInstanceLog(name, { tailBytes }),
  };
}

const columns: readonly Column<InstanceView>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'STATE', value: ({ state }) => state.life },
  { title: 'CPUS', value: ({ spec }) => String(spec.cpus), align: 'right' },
  { title: 'MEMORY', value: ({ spec }) => `${spec.memoryMiB} MiB`, align: 'right' },
  { title: 'ACCELERATOR', value: ({ state }) => state.accelerator ?? '-' },
  { title: 'ID', value: ({ id }) => id },
];

function printed(instance: InstanceView): Printed {
  const { id, name, spec, state, logFile } = instance;
  const text = renderFields([
    ['name', name],
    ['id', id],
    ['state', state.life],
    ['problem', formatProblem(state.error)],
    ['cpus', String(spec.cpus)],
    ['memory', `${spec.memoryMiB} MiB`],
    ['machine', state.machineType ?? spec.machineType],
    ['accelerator', formatAccelerator(state)],
    ['vmm', formatDriver(state)],
    ['pid', state.pid === null ? null : String(state.pid)],
    ['log', logFile],
    ['epoch', state.epoch],
    ['generation', state.generation],
  ]);
  return { document: instance, text };
}

export function formatAccelerator({
  accelerator,
  acceleratorReason,
}: Pick<InstanceView['state'], 'accelerator' | 'acceleratorReason'>): string | null {
  if (accelerator === null) return null;
  return acceleratorReason === null ? accelerator : `${accelerator} (${acceleratorReason})`;
}

export function formatDriver({
  driver,
  vmmVersion,
}: Pick<InstanceView['state'], 'driver' | 'vmmVersion'>): string {
  return [driver, vmmVersion].filter((part) => part !== null).join(' ');
}
