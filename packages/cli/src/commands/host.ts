import { type Command, Option } from 'commander';
import type { CommandContext } from '../context.js';
import { chooseDrainDisplay } from '../drain/display.js';
import { followDrain } from '../drain/follow.js';
import { renderDrain } from '../drain/render.js';
import { pageSize, takeItems } from '../fleet/items.js';
import { chooseListDisplay } from '../fleet/list-display.js';
import { watchList } from '../fleet/watch-list.js';
import { changeLabels, type LabelChange, parseLabelChange } from '../host/labels.js';
import { hostList, renderHost, renderHosts } from '../host/render.js';
import { type SettingsOptions, settingsOf, withSettings } from '../migration/settings-options.js';
import { print } from '../output/print.js';
import { type ControlPlaneOptions, controlPlaneClient, controlPlaneOption } from '../target/choose.js';
import { jsonOption, wholeNumber, withExamples } from './options.js';

interface ListOptions extends ControlPlaneOptions {
  readonly state?: (typeof states)[number];
  readonly label?: string;
  readonly limit?: number;
  readonly watch?: boolean;
}
interface DrainOptions extends ControlPlaneOptions, SettingsOptions {
  readonly concurrency?: number;
  readonly attempts?: number;
  readonly watch?: boolean;
}
interface LostOptions extends ControlPlaneOptions {
  readonly confirm: string;
  readonly reason: string;
}

const states = ['active', 'draining', 'maintenance', 'unreachable', 'lost'] as const;

export function addHostCommands(program: Command, context: CommandContext): void {
  const group = program
    .command('host')
    .description('Look at the hosts of the fleet, drain them, mark them, declare them lost.');
  const add = (name: string, description: string) =>
    group.command(name).description(description).addOption(controlPlaneOption()).addOption(jsonOption());

  withExamples(
    add('list', 'List hosts, by name.')
      .addOption(new Option('--state <state>', 'only in this state').choices(states))
      .option('--label <key=value>', 'only with this label')
      .option('--limit <n>', 'at most so many', wholeNumber(1, 1_000_000))
      .option('--watch', 'show it live until Ctrl-C')
      .action(async (options: ListOptions) => {
        const client = await controlPlaneClient(options, context);
        const { state, label, limit } = options;
        const read = (signal?: AbortSignal) =>
          takeItems(client.eachHost({ state, label, limit: pageSize(limit) }, { signal }), limit);
        if (options.watch) {
          const display = chooseListDisplay(context, hostList, options.json === true);
          await watchList(client, { kinds: ['host', 'vmm', 'gone'], read }, display, context);
          return;
        }
        const items = await read();
        print(context, options, { document: { items }, text: renderHosts(items) });
      }),
    'drover host list',
    'drover host list --state unreachable',
    'drover host list --watch',
  );

  withExamples(
    add('show', 'Show one host.')
      .argument('<host>', 'name or id')
      .action(async (name: string, options: ControlPlaneOptions) => {
        const host = await (await controlPlaneClient(options, context)).getHost(name);
        print(context, options, { document: host, text: renderHost(host) });
      }),
    'drover host show a',
  );

  withExamples(
    withSettings(
      add(
        'drain',
        'Move every guest of a host away, and let it take none: for maintenance. What cannot move stays and\n' +
          'goes on. The drain goes on without this command; --watch shows it.',
      )
        .argument('<host>', 'name or id')
        .option('--concurrency <n>', 'migrations at once (default: 2)', wholeNumber(1, 64))
        .option(
          '--attempts <n>',
          'tries for each guest, where a retry can help (default: 3)',
          wholeNumber(1, 20),
        )
        .option('--watch', 'show it live until it has ended; Ctrl-C stops watching and changes nothing'),
    ).action(async (name: string, options: DrainOptions) => {
      const client = await controlPlaneClient(options, context);
      const drain = await client.drainHost(name, {
        ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
        ...(options.attempts === undefined ? {} : { attempts: options.attempts }),
        settings: settingsOf(options),
      });
      if (!options.watch) {
        print(context, options, { document: drain, text: renderDrain(drain) });
        return;
      }
      const display = chooseDrainDisplay(context, drain, options.json === true);
      await followDrain(client, drain, display, context);
    }),
    'drover host drain a --watch',
    'drover host drain a --concurrency 4 --bandwidth 1Gbit',
  );

  withExamples(
    add('undrain', 'Let a host take guests again. A drain under way begins nothing more.')
      .argument('<host>', 'name or id')
      .action(async (name: string, options: ControlPlaneOptions) => {
        const host = await (await controlPlaneClient(options, context)).undrainHost(name);
        print(context, options, { document: host, text: renderHost(host) });
      }),
    'drover host undrain a',
  );

  withExamples(
    add('label', 'Set and remove labels of a host; the others stay.')
      .argument('<host>', 'name or id')
      .argument('<changes...>', 'key=value sets one, key- removes it', parseLabelChange)
      .action(async (name: string, changes: readonly LabelChange[], options: ControlPlaneOptions) => {
        const client = await controlPlaneClient(options, context);
        const { labels } = await client.getHost(name);
        const host = await client.labelHost(name, changeLabels(labels, changes));
        print(context, options, { document: host, text: renderHost(host) });
      }),
    'drover host label a rack=7 ssd=yes old-',
  );

  withExamples(
    add(
      'lost',
      'Declare a host lost for good, so that its guests may be started elsewhere. It must be unable to run\n' +
        'anything: switched off, or fenced. This cannot be taken back.',
    )
      .argument('<host>', 'name or id')
      .requiredOption('--confirm <name>', "the host's name once more")
      .requiredOption('--reason <text>', 'how it is known; kept in the audit trail')
      .action(async (name: string, options: LostOptions) => {
        const client = await controlPlaneClient(options, context);
        const { confirm, reason } = options;
        const host = await client.markHostLost(name, { confirm, reason });
        print(context, options, { document: host, text: renderHost(host) });
      }),
    'drover host lost a --confirm a --reason "burnt down, power cut at 14:03"',
  );

  withExamples(
    add('forget', 'Remove a host without VMMs from the fleet.')
      .argument('<host>', 'name or id')
      .action(async (name: string, options: ControlPlaneOptions) => {
        await (await controlPlaneClient(options, context)).forgetHost(name);
        print(context, options, { document: { deleted: true }, text: `${name} forgotten.\n` });
      }),
    'drover host forget a',
  );
}
