import type { InstanceView } from '@drover/protocol';
import { writeInstanceSpec } from '@drover/types';
import type { Command } from 'commander';
import { runConsole } from '../console/session.js';
import { abortOnInterrupt, type CommandContext } from '../context.js';
import { readInstanceSpecFile } from '../instance-spec-file.js';
import { followLog } from '../log/follow.js';
import { type Column, renderTable } from '../output/table.js';
import {
  type AgentOptions,
  agentClient,
  agentOption,
  jsonOption,
  wholeNumber,
  withExamples,
} from './options.js';

export function addInstanceCommands(program: Command, context: CommandContext): void {
  const group = program.command('instance').description('Make, run and look at instances on one host.');
  const agent = agentOption(context);
  const json = jsonOption();
  const print = (instance: InstanceView, options: AgentOptions) =>
    context.stdout.write(options.json ? `${JSON.stringify(instance)}\n` : renderInstance(instance));

  withExamples(
    group
      .command('create')
      .description('Make an instance from a spec: JSON (an envelope or a bare body) or TOML.')
      .argument('<file>', 'spec file; - reads standard input')
      .option('--start', 'start it at once')
      .addOption(agent)
      .addOption(json)
      .action(async (file: string, options: AgentOptions & { start?: boolean }) => {
        const spec = await readInstanceSpecFile(file, context.stdin);
        const client = agentClient(options.agent);
        const body = { spec: writeInstanceSpec(spec), start: options.start === true };
        print(await client.createInstance(body), options);
      }),
    'drover instance create web-1.toml --start',
    'cat web-1.json | drover instance create - --agent http://10.0.0.1:7700',
  );

  withExamples(
    group
      .command('list')
      .description('List the instances on a host.')
      .addOption(agent)
      .addOption(json)
      .action(async (options: AgentOptions) => {
        const items = await agentClient(options.agent).listInstances();
        context.stdout.write(
          options.json ? `${JSON.stringify({ items })}\n` : `${renderTable(columns, items)}\n`,
        );
      }),
    'drover instance list',
  );

  withExamples(
    group
      .command('show')
      .description('Show one instance.')
      .argument('<instance>', 'name or id')
      .addOption(agent)
      .addOption(json)
      .action(async (name: string, options: AgentOptions) => {
        print(await agentClient(options.agent).getInstance(name), options);
      }),
    'drover instance show web-1 --json',
  );

  withExamples(
    group
      .command('start')
      .description('Start a stopped instance.')
      .argument('<instance>', 'name or id')
      .addOption(agent)
      .addOption(json)
      .action(async (name: string, options: AgentOptions) => {
        print(await agentClient(options.agent).startInstance(name), options);
      }),
    'drover instance start web-1',
  );

  withExamples(
    group
      .command('stop')
      .description('Stop an instance: asks the guest to power off.')
      .argument('<instance>', 'name or id')
      .option('--force', 'end it without asking the guest')
      .addOption(agent)
      .addOption(json)
      .action(async (name: string, options: AgentOptions & { force?: boolean }) => {
        const force = options.force === true;
        print(await agentClient(options.agent).stopInstance(name, { force }), options);
      }),
    'drover instance stop web-1',
    'drover instance stop web-1 --force',
  );

  withExamples(
    group
      .command('delete')
      .description('Remove a stopped instance and its files.')
      .argument('<instance>', 'name or id')
      .addOption(agent)
      .addOption(json)
      .action(async (name: string, options: AgentOptions) => {
        await agentClient(options.agent).deleteInstance(name);
        context.stdout.write(options.json ? `${JSON.stringify({ deleted: true })}\n` : `${name} deleted.\n`);
      }),
    'drover instance delete web-1',
  );

  withExamples(
    group
      .command('console')
      .description('Open the serial console. Ctrl-] leaves.')
      .argument('<instance>', 'name or id')
      .addOption(agent)
      .action(async (name: string, options: AgentOptions) => {
        const { signal, release } = abortOnInterrupt(context);
        const url = agentClient(options.agent).openConsole(name);
        await runConsole({ url, instance: name, context, signal }).finally(release);
      }),
    'drover instance console web-1',
  );

  withExamples(
    group
      .command('log')
      .description('Print the end of the serial console log.')
      .argument('<instance>', 'name or id')
      .option('--follow', 'go on printing what is added, until Ctrl-C')
      .option('--tail <bytes>', 'how much of it, bytes (default: 65536)', wholeNumber(1, 1 << 20))
      .addOption(agent)
      .action(async (name: string, options: AgentOptions & { follow?: boolean; tail?: number }) => {
        const client = agentClient(options.agent);
        const text = await client.getInstanceLog(name, { tailBytes: options.tail ?? DEFAULT_TAIL_BYTES });
        context.stdout.write(text);
        if (!options.follow) return;
        const { signal, release } = abortOnInterrupt(context);
        const read = (tailBytes: number) => client.getInstanceLog(name, { tailBytes });
        await followLog({ read, seen: text, output: context.stdout, signal }).finally(release);
      }),
    'drover instance log web-1 --tail 4096',
    'drover instance log web-1 --follow',
  );
}

const DEFAULT_TAIL_BYTES = 65_536;

const columns: readonly Column<InstanceView>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'STATE', value: ({ state }) => state.life },
  { title: 'CPUS', value: ({ spec }) => String(spec.cpus), align: 'right' },
  { title: 'MEMORY', value: ({ spec }) => `${spec.memoryMiB} MiB`, align: 'right' },
  { title: 'ACCELERATOR', value: ({ state }) => state.accelerator ?? '-' },
  { title: 'ID', value: ({ id }) => id },
];

function renderInstance({ id, name, spec, state, logFile }: InstanceView): string {
  const rows: readonly (readonly [string, string | null])[] = [
    ['name', name],
    ['id', id],
    ['state', state.life],
    ['problem', state.error === null ? null : `${state.error.message} [${state.error.code}]`],
    ['cpus', String(spec.cpus)],
    ['memory', `${spec.memoryMiB} MiB`],
    ['machine', state.machineType ?? spec.machineType],
    ['accelerator', accelerator(state)],
    ['vmm', [state.driver, state.vmmVersion].filter((part) => part !== null).join(' ')],
    ['pid', state.pid === null ? null : String(state.pid)],
    ['log', logFile],
    ['epoch', state.epoch],
    ['generation', state.generation],
  ];
  return rows
    .filter(([, value]) => value !== null)
    .map(([label, value]) => `${label.padEnd(12)} ${value}\n`)
    .join('');
}

function accelerator({ accelerator, acceleratorReason }: InstanceView['state']): string | null {
  if (accelerator === null) return null;
  return acceleratorReason === null ? accelerator : `${accelerator} (${acceleratorReason})`;
}
