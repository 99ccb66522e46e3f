import type { Command } from 'commander';
import type { CommandContext } from '../context.js';
import { chooseDrainDisplay } from '../drain/display.js';
import { followDrain } from '../drain/follow.js';
import { renderDrain, renderDrains } from '../drain/render.js';
import { pageSize, takeItems } from '../fleet/items.js';
import { print } from '../output/print.js';
import { type ControlPlaneOptions, controlPlaneClient, controlPlaneOption } from '../target/choose.js';
import { jsonOption, wholeNumber, withExamples } from './options.js';

export function addDrainCommands(program: Command, context: CommandContext): void {
  const group = program
    .command('drain')
    .description('Look at drains; "drover host drain" begins one, "drover host undrain" ends it.');

  withExamples(
    group
      .command('list')
      .description('List drains, newest first.')
      .option('--limit <n>', 'at most so many (default: 50)', wholeNumber(1, 1_000_000))
      .addOption(controlPlaneOption())
      .addOption(jsonOption())
      .action(async (options: ControlPlaneOptions & { limit?: number }) => {
        const client = await controlPlaneClient(options, context);
        const { limit = 50 } = options;
        const items = await takeItems(client.eachDrain({ limit: pageSize(limit) }), limit);
        print(context, options, { document: { items }, text: renderDrains(items) });
      }),
    'drover drain list',
  );

  withExamples(
    group
      .command('show')
      .description('Show one drain, guest by guest.')
      .argument('<drain>', 'id')
      .option('--watch', 'show it live until it has ended; Ctrl-C stops watching and changes nothing')
      .addOption(controlPlaneOption())
      .addOption(jsonOption())
      .action(async (id: string, options: ControlPlaneOptions & { watch?: boolean }) => {
        const client = await controlPlaneClient(options, context);
        const drain = await client.getDrain(id);
        if (!options.watch) {
          print(context, options, { document: drain, text: renderDrain(drain) });
          return;
        }
        const display = chooseDrainDisplay(context, drain, options.json === true);
        await followDrain(client, drain, display, context);
      }),
    'drover drain show 6f0d1c1e-6d0a-4a53-9a55-0b6f5f5d9a11 --watch',
  );
}
