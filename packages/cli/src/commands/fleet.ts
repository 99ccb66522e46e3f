import type { Command } from 'commander';
import type { CommandContext } from '../context.js';
import { ExitCode } from '../exit-codes.js';
import { renderPlan } from '../fleet/plan.js';
import { print } from '../output/print.js';
import { type ControlPlaneOptions, controlPlaneClient, controlPlaneOption } from '../target/choose.js';
import { jsonOption, parseLabel, wholeNumber, withExamples } from './options.js';

interface PlanOptions extends ControlPlaneOptions {
  readonly width?: number;
  readonly label?: Readonly<Record<string, string>>;
  readonly release?: string;
}

export function addFleetCommands(program: Command, context: CommandContext): void {
  const group = program.command('fleet').description('The fleet as a whole.');
  withExamples(
    group
      .command('plan')
      .description(
        'Say in which order to drain the hosts for an upgrade, and where their guests would go. Changes nothing.\n' +
          'Exits 0 where every guest has a place in every step, otherwise 3.',
      )
      .option('--width <n>', 'hosts at once (default: 1)', wholeNumber(1, 64))
      .option('--label <key=value>', 'only hosts with this label; may be repeated', parseLabel)
      .option('--release <version>', 'only hosts that do not run this release yet')
      .addOption(controlPlaneOption())
      .addOption(jsonOption())
      .action(async (options: PlanOptions) => {
        const client = await controlPlaneClient(options, context);
        const { width, label, release } = options;
        const plan = await client.planFleet({
          ...(width === undefined ? {} : { width }),
          ...(label === undefined ? {} : { labels: { ...label } }),
          ...(release === undefined ? {} : { release }),
        });
        print(context, options, { document: plan, text: renderPlan(plan) });
        if (!plan.possible) context.exitWith(ExitCode.refused);
      }),
    'drover fleet plan --release 0.2.0',
    'drover fleet plan --width 2 --label rack=7',
  );
}
