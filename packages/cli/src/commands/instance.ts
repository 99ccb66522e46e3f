import { parseWholeMilliseconds } from '@drover/types';
import { type Command, Option } from 'commander';
import { runConsole } from '../console/session.js';
import { abortOnInterrupt, type CommandContext } from '../context.js';
import { pageSize, takeItems } from '../fleet/items.js';
import { chooseListDisplay } from '../fleet/list-display.js';
import { watchList } from '../fleet/watch-list.js';
import { instanceList, instancesInFleet } from '../instance/in-fleet.js';
import { instancesOnAgent } from '../instance/on-agent.js';
import type {
  CreateInstanceOptions,
  InstanceSide,
  ListInstancesOptions,
  WaitOptions,
} from '../instance/side.js';
import { readInstanceSpecFile } from '../instance-spec-file.js';
import { followLog } from '../log/follow.js';
import { type Printed, print } from '../output/print.js';
import { chooseTarget, refuseForAgent, type TargetOptions, withTarget } from '../target/choose.js';
import { jsonOption, parseLabel, quantity, wholeNumber, withExamples } from './options.js';

export function addInstanceCommands(program: Command, context: CommandContext): void {
  const group = program.command('instance').description('Make, run and look at instances.');

  /** Does `act` with whom the options name; Ctrl-C ends what it waits for. */
  async function withSide<T>(
    options: TargetOptions,
    act: (side: InstanceSide, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const target = await chooseTarget(options, context);
    const { signal, release } = abortOnInterrupt(context);
    const side =
      target.kind === 'agent' ? instancesOnAgent(target.client) : instancesInFleet(target.client, signal);
    return act(side, signal).finally(release);
  }
  const printWith = async (options: TargetOptions, act: (side: InstanceSide) => Promise<Printed>) =>
    print(context, options, await withSide(options, act));

  withExamples(
    withTarget(
      group
        .command('create')
        .description(
          'Make an instance from a spec: JSON (an envelope or a bare body) or TOML. In a fleet it goes to the host\n' +
            'that fits best, or to the one that is named.',
        )
        .argument('<file>', 'spec file; - reads standard input')
        .option('--start', 'start it at once')
        .option('--host <host>', 'the host to be on, by name or id')
        .option('--label <key=value>', 'mark the instance; may be repeated', parseLabel)
        .option('--require-label <key=value>', 'only on hosts with this label; may be repeated', parseLabel)
        .option('--anti-affinity <group>', 'not on a host with another instance of this group')
        .addOption(
          new Option('--strategy <strategy>', 'spread over the hosts, or pack few of them').choices([
            'spread',
            'pack',
          ]),
        )
        .addOption(waitOption()),
    )
      .addOption(jsonOption())
      .action(async (file: string, options: TargetOptions & CreateInstanceOptions) => {
        const spec = await readInstanceSpecFile(file, context.stdin);
        await printWith(options, (side) => side.create(spec, options));
      }),
    'drover instance create web-1.toml --start --wait',
    'drover instance create web-1.toml --start --require-label rack=7 --anti-affinity web',
    'cat web-1.json | drover instance create - --agent http://10.0.0.1:7700',
  );

  withExamples(
    withTarget(
      group
        .command('list')
        .description('List instances, by name.')
        .option('--host <host>', 'only those on this host')
        .option('--life <life>', 'only those whose VMM is running, stopped, paused …')
        .option('--label <key=value>', 'only those with this label')
        .option('--name <text>', 'only those of this name')
        .option('--limit <n>', 'at most so many', wholeNumber(1, 1_000_000))
        .option('--watch', 'show it live until Ctrl-C; in a fleet'),
    )
      .addOption(jsonOption())
      .action(async (options: TargetOptions & ListInstancesOptions & { watch?: boolean }) => {
        const { host, life, label, name, limit } = options;
        const wanted: ListInstancesOptions = {
          ...(host === undefined ? {} : { host }),
          ...(life === undefined ? {} : { life }),
          ...(label === undefined ? {} : { label }),
          ...(name === undefined ? {} : { name }),
          ...(limit === undefined ? {} : { limit }),
        };
        if (options.watch) await watchInstances(options, wanted, context);
        else await printWith(options, ({ list }) => list(wanted));
      }),
    'drover instance list',
    'drover instance list --host a --life running',
    'drover instance list --host a --watch',
    'drover instance list --agent http://10.0.0.1:7700',
  );

  withExamples(
    withTarget(group.command('show').description('Show one instance.').argument('<instance>', 'name or id'))
      .addOption(jsonOption())
      .action((name: string, options: TargetOptions) => printWith(options, (side) => side.show(name))),
    'drover instance show web-1 --json',
  );

  withExamples(
    withTarget(
      group
        .command('start')
        .description('Start a stopped instance.')
        .argument('<instance>', 'name or id')
        .addOption(waitOption()),
    )
      .addOption(jsonOption())
      .action((name: string, options: TargetOptions & WaitOptions) =>
        printWith(options, (side) => side.start(name, options)),
      ),
    'drover instance start web-1 --wait',
  );

  withExamples(
    withTarget(
      group
        .command('stop')
        .description('Stop an instance: asks the guest to power off.')
        .argument('<instance>', 'name or id')
        .option('--force', 'end it without asking the guest')
        .addOption(waitOption()),
    )
      .addOption(jsonOption())
      .action((name: string, options: TargetOptions & WaitOptions & { force?: boolean }) =>
        printWith(options, (side) => side.stop(name, options)),
      ),
    'drover instance stop web-1',
    'drover instance stop web-1 --force --wait 10s',
  );

  withExamples(
    withTarget(
      group
        .command('delete')
        .description('Remove a stopped instance and its files.')
        .argument('<instance>', 'name or id')
        .addOption(waitOption()),
    )
      .addOption(jsonOption())
      .action((name: string, options: TargetOptions & WaitOptions) =>
        printWith(options, (side) => side.delete(name, options)),
      ),
    'drover instance delete web-1',
  );

  withExamples(
    withTarget(
      group
        .command('console')
        .description('Open the serial console, which the host of the instance serves. Ctrl-] leaves.')
        .argument('<instance>', 'name or id'),
    ).action((name: string, options: TargetOptions) =>
      withSide(options, async (side, signal) =>
        runConsole({ url: await side.consoleUrl(name), instance: name, context, signal }),
      ),
    ),
    'drover instance console web-1',
  );

  withExamples(
    withTarget(
      group
        .command('log')
        .description('Print the end of the serial console log.')
        .argument('<instance>', 'name or id')
        .option('--follow', 'go on printing what is added, until Ctrl-C')
        .option('--tail <bytes>', 'how much of it, bytes (default: 65536)', wholeNumber(1, 1 << 20)),
    ).action((name: string, options: TargetOptions & { follow?: boolean; tail?: number }) =>
      withSide(options, async (side, signal) => {
        const text = await side.log(name, options.tail ?? DEFAULT_TAIL_BYTES);
        context.stdout.write(text);
        if (!options.follow) return;
        const read = (tailBytes: number) => side.log(name, tailBytes);
        await followLog({ read, seen: text, output: context.stdout, signal });
      }),
    ),
    'drover instance log web-1 --tail 4096',
    'drover instance log web-1 --follow',
  );
}

/** Errors: `cli-usage` for an agent, which has no events of its own. */
async function watchInstances(
  options: TargetOptions,
  { limit, ...filter }: ListInstancesOptions,
  context: CommandContext,
): Promise<void> {
  const target = await chooseTarget(options, context);
  if (target.kind === 'agent') {
    refuseForAgent({ ...options }, '--watch');
    return;
  }
  const { client } = target;
  const read = (signal: AbortSignal) =>
    takeItems(client.eachInstance({ ...filter, limit: pageSize(limit) }, { signal }), limit);
  const display = chooseListDisplay(context, instanceList, options.json === true);
  await watchList(client, { kinds: ['instance', 'vmm', 'gone'], read }, display, context);
}

const DEFAULT_TAIL_BYTES = 65_536;
const DEFAULT_WAIT = '60s';

function waitOption(): Option {
  return new Option('--wait [time]', `wait until it is so, at most this long (default: ${DEFAULT_WAIT})`)
    .preset(DEFAULT_WAIT)
    .argParser(quantity(parseWholeMilliseconds));
}
