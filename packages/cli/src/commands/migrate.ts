import { migrationSettingsSchema, parseBandwidth, parseWholeMilliseconds } from '@drover/types';
import type { Command } from 'commander';
import type { CommandContext } from '../context.js';
import { type BackendChange, changeBackends, parseBackendChange } from '../migration/backend-option.js';
import { chooseDisplay, conclude } from '../migration/conclude.js';
import { followMigration } from '../migration/follow.js';
import { agentClient, jsonOption, parseAgentUrl, quantity, wholeNumber, withExamples } from './options.js';

interface MigrateOptions {
  readonly source: string;
  readonly destination: string;
  readonly connections?: number;
  readonly bandwidth?: number;
  readonly maxDowntime?: number;
  readonly verify?: boolean;
  readonly backend?: readonly BackendChange[];
  readonly timeout?: number;
  readonly json?: boolean;
}

export function addMigrateCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('migrate')
    .description(
      'Move a running instance from one host agent to another, and show how it goes.\n' +
        'Ctrl-C asks to cancel, which works until the handover; a second Ctrl-C only stops watching.',
    )
    .argument('<instance>', 'name or id')
    .requiredOption('--source <url>', 'agent of the host that runs it now', parseAgentUrl)
    .requiredOption('--destination <url>', 'agent of the host that shall run it', parseAgentUrl)
    .option('--connections <n>', 'connections that carry memory (default: 2)', wholeNumber(1, 64))
    .option(
      '--bandwidth <rate>',
      'limit over all connections, such as 1Gbit or 100MiB',
      quantity(parseBandwidth),
    )
    .option(
      '--max-downtime <time>',
      'switch over once the expected downtime is below this (default: 100ms)',
      quantity(parseWholeMilliseconds),
    )
    .option('--verify', 'compare all memory on both sides while the guest is paused; adds to the downtime')
    .option(
      '--timeout <time>',
      'give up when the switchover is not reached within this (default: 1h)',
      quantity(parseWholeMilliseconds),
    )
    .option(
      '--backend <id.field=value>',
      'what a disk or network is called at the destination, such as disk0.path=/srv/disk0.raw; may be repeated',
      parseBackendChange,
    )
    .addOption(jsonOption())
    .action((instance: string, options: MigrateOptions) => migrate(instance, options, context));
  withExamples(
    command,
    'drover migrate web-1 --source http://10.0.0.1:7700 --destination http://10.0.0.2:7700',
    'drover migrate web-1 --source http://a:7700 --destination http://b:7700 --bandwidth 1Gbit --max-downtime 20ms --verify',
    'drover migrate web-1 --source http://a:7700 --destination http://b:7700 --backend disk0.path=/srv/web-1.raw',
  );
}

async function migrate(instance: string, options: MigrateOptions, context: CommandContext): Promise<void> {
  const source = agentClient(options.source);
  const destination = await agentClient(options.destination).getHost();
  const backends =
    options.backend === undefined
      ? undefined
      : changeBackends((await source.getInstance(instance)).spec, options.backend);
  const { id } = await source.startMigration({
    instance,
    destination: destination.peer,
    ...(backends === undefined ? {} : { backends }),
    settings: {
      ...(options.connections === undefined ? {} : { connections: options.connections }),
      ...(options.bandwidth === undefined ? {} : { bandwidthBytesPerSecond: options.bandwidth }),
      ...(options.maxDowntime === undefined ? {} : { maxDowntimeMs: options.maxDowntime }),
      ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
      ...(options.verify === undefined ? {} : { verify: options.verify }),
    },
  });
  const title = {
    instance,
    destination: `${destination.name} (${options.destination})`,
    maxDowntimeMs: options.maxDowntime ?? DEFAULT_MAX_DOWNTIME_MS,
  };
  const display = chooseDisplay(context, title, options.json === true);
  const result = await followMigration(source, id, display, context, { cancelOnInterrupt: true });
  conclude(result, id, display, context);
}

const DEFAULT_MAX_DOWNTIME_MS = migrationSettingsSchema.parse({}).maxDowntimeMs;
