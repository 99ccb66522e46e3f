import type { Command } from 'commander';
import type { CommandContext } from '../context.js';
import { ExitCode } from '../exit-codes.js';
import { type BackendChange, changeBackends, parseBackendChange } from '../migration/backend-option.js';
import { print } from '../output/print.js';
import { renderPreflight } from '../preflight/render.js';
import { type ControlPlaneOptions, controlPlaneClient, controlPlaneOption } from '../target/choose.js';
import { jsonOption, withExamples } from './options.js';

interface PreflightOptions extends ControlPlaneOptions {
  readonly to?: readonly string[];
  readonly backend?: readonly BackendChange[];
}

export function addPreflightCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('preflight')
    .description(
      'Say what a migration of an instance would meet, host by host, without moving anything: the same checks\n' +
        'that the migration makes. Exits 0 where one of the hosts would take it, otherwise 3.',
    )
    .argument('<instance>', 'name or id')
    .option('--to <host...>', 'only these hosts, by name or id; default: every host that takes guests')
    .option(
      '--backend <id.field=value>',
      'what a disk or network would be called there; may be repeated',
      parseBackendChange,
    )
    .addOption(controlPlaneOption())
    .addOption(jsonOption())
    .action(async (instance: string, options: PreflightOptions) => {
      const client = await controlPlaneClient(options, context);
      const backends =
        options.backend === undefined
          ? undefined
          : changeBackends((await client.getInstance(instance)).spec, options.backend);
      const results = await client.checkPreflight({
        instance,
        ...(options.to === undefined ? {} : { hosts: [...options.to] }),
        ...(backends === undefined ? {} : { backends }),
      });
      print(context, options, { document: { results }, text: renderPreflight(instance, results) });
      if (!results.some(({ moves }) => moves)) context.exitWith(ExitCode.refused);
    });
  withExamples(command, 'drover preflight web-1', 'drover preflight web-1 --to b c --json');
}
