import { AgentClient } from '@drover/client';
import { migrationSettingsSchema } from '@drover/types';
import { type Command, Option } from 'commander';
import type { CommandContext } from '../context.js';
import { cliErrors } from '../errors.js';
import { type BackendChange, changeBackends, parseBackendChange } from '../migration/backend-option.js';
import { chooseDisplay, conclude } from '../migration/conclude.js';
import { followMigration } from '../migration/follow.js';
import { fleetOutcome, inFleet } from '../migration/in-fleet.js';
import { onAgent } from '../migration/on-agent.js';
import { type SettingsOptions, settingsOf, withSettings } from '../migration/settings-options.js';
import { type ControlPlaneOptions, controlPlaneClient, controlPlaneOption } from '../target/choose.js';
import { jsonOption, parseAgentUrl, withExamples } from './options.js';

interface MigrateOptions extends SettingsOptions, ControlPlaneOptions {
  readonly to?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly backend?: readonly BackendChange[];
  readonly wait: boolean;
}

export function addMigrateCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('migrate')
    .description(
      'Move a running instance to another host, and show how it goes. The control plane chooses the host that fits\n' +
        'best unless --to names one; --source and --destination do without a control plane, between two agents.\n' +
        'Ctrl-C asks to cancel, which works until the handover; a second Ctrl-C only stops watching.',
    )
    .argument('<instance>', 'name or id')
    .option('--to <host>', 'the host that shall run it, by name or id')
    .addOption(controlPlaneOption())
    .addOption(agentOption('--source <url>', 'agent of the host that runs it now'))
    .addOption(agentOption('--destination <url>', 'agent of the host that shall run it'));
  withSettings(command)
    .option(
      '--backend <id.field=value>',
      'what a disk or network is called at the destination, such as disk0.path=/srv/disk0.raw; may be repeated',
      parseBackendChange,
    )
    .option('--no-wait', 'begin it and return; "drover migration watch" shows it')
    .addOption(jsonOption())
    .action((instance: string, options: MigrateOptions) => {
      const { source, destination } = options;
      if (source === undefined && destination === undefined)
        return migrateInFleet(instance, options, context);
      if (source !== undefined && destination !== undefined) {
        return migrateBetweenAgents(instance, source, destination, options, context);
      }
      const missing = source === undefined ? '--source' : '--destination';
      throw cliErrors.error('cli-usage', `${missing} is missing: a move without a control plane needs both.`);
    });
  withExamples(
    command,
    'drover migrate web-1',
    'drover migrate web-1 --to b --bandwidth 1Gbit --max-downtime 20ms --verify',
    'drover migrate web-1 --to b --backend disk0.path=/srv/web-1.raw',
    'drover migrate web-1 --source http://10.0.0.1:7700 --destination http://10.0.0.2:7700',
  );
}

function agentOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(parseAgentUrl).conflicts(['to', 'controlPlane']);
}

async function migrateInFleet(
  instance: string,
  options: MigrateOptions,
  context: CommandContext,
): Promise<void> {
  const client = await controlPlaneClient(options, context);
  const backends =
    options.backend === undefined
      ? undefined
      : changeBackends((await client.getInstance(instance)).spec, options.backend);
  const migration = await client.createMigration({
    instance,
    ...(options.to === undefined ? {} : { destination: options.to }),
    ...(backends === undefined ? {} : { backends }),
    settings: settingsOf(options),
  });
  const { id } = migration;
  if (!options.wait) {
    context.stdout.write(options.json ? `${JSON.stringify(migration)}\n` : `${id}\n`);
    return;
  }
  const title = {
    instance: migration.instanceName,
    destination: migration.destination?.name ?? options.to ?? 'another host',
    maxDowntimeMs: migration.settings.maxDowntimeMs,
  };
  const display = chooseDisplay(context, title, options.json === true);
  const followed = inFleet(client, id, display);
  const result = await followMigration(followed, display, context, { cancelOnInterrupt: true });
  conclude(result, fleetOutcome, id, display, context);
}

async function migrateBetweenAgents(
  instance: string,
  sourceUrl: string,
  destinationUrl: string,
  options: MigrateOptions,
  context: CommandContext,
): Promise<void> {
  const source = new AgentClient({ url: sourceUrl });
  const destination = await new AgentClient({ url: destinationUrl }).getHost();
  const backends =
    options.backend === undefined
      ? undefined
      : changeBackends((await source.getInstance(instance)).spec, options.backend);
  const migration = await source.startMigration({
    instance,
    destination: destination.peer,
    ...(backends === undefined ? {} : { backends }),
    settings: settingsOf(options),
  });
  const { id } = migration;
  if (!options.wait) {
    context.stdout.write(options.json ? `${JSON.stringify(migration)}\n` : `${id}\n`);
    return;
  }
  const title = {
    instance,
    destination: `${destination.name} (${destinationUrl})`,
    maxDowntimeMs: options.maxDowntime ?? DEFAULT_MAX_DOWNTIME_MS,
  };
  const display = chooseDisplay(context, title, options.json === true);
  const followed = onAgent(source, id, display);
  const result = await followMigration(followed, display, context, { cancelOnInterrupt: true });
  conclude(result, (view) => view, id, display, context);
}

const DEFAULT_MAX_DOWNTIME_MS = migrationSettingsSchema.parse({}).maxDowntimeMs;
