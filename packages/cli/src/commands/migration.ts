import type { AgentClient } from '@drover/client';
import { type Command, Option } from 'commander';
import type { CommandContext } from '../context.js';
import { cliErrors } from '../errors.js';
import { ExitCode } from '../exit-codes.js';
import { pageSize, takeItems } from '../fleet/items.js';
import { chooseDisplay, conclude } from '../migration/conclude.js';
import { renderAgentMigration, renderOwnership } from '../migration/doubt.js';
import { followMigration } from '../migration/follow.js';
import { fleetOutcome, inFleet, renderFleetMigration, renderFleetMigrations } from '../migration/in-fleet.js';
import { onAgent, renderAgentMigrations } from '../migration/on-agent.js';
import { failureLine } from '../output/failure.js';
import { print } from '../output/print.js';
import { renderOutcome } from '../progress/outcome.js';
import { chooseTarget, refuseForAgent, type TargetOptions, withTarget } from '../target/choose.js';
import { jsonOption, wholeNumber, withExamples } from './options.js';

interface ListOptions extends TargetOptions {
  readonly instance?: string;
  readonly host?: string;
  readonly state?: (typeof states)[number];
  readonly limit?: number;
}

interface ResolveOptions extends TargetOptions {
  readonly decision?: 'take-back' | 'take-over' | 'give-up';
  readonly lostHost?: string;
  readonly reason?: string;
}

const states = ['waiting', 'running', 'in-doubt', 'completed', 'failed', 'cancelled'] as const;

export function addMigrationCommands(program: Command, context: CommandContext): void {
  const group = program.command('migration').description('Look at migrations, cancel them, watch them.');

  withExamples(
    withTarget(
      group
        .command('list')
        .description('List migrations, newest first; of an agent, those that it took part in.')
        .option('--instance <instance>', 'only of this instance')
        .option('--host <host>', 'only from or to this host')
        .addOption(new Option('--state <state>', 'only in this state').choices(states))
        .option('--limit <n>', 'at most so many (default: 50)', wholeNumber(1, 1_000_000)),
    )
      .addOption(jsonOption())
      .action(async (options: ListOptions) => {
        const target = await chooseTarget(options, context);
        if (target.kind === 'agent') {
          refuseForAgent({ ...options }, '--instance', '--host', '--state', '--limit');
          const items = await target.client.listMigrations();
          print(context, options, { document: { items }, text: renderAgentMigrations(items) });
          return;
        }
        const { instance, host, state, limit = 50 } = options;
        const query = { instance, host, state, limit: pageSize(limit) };
        const items = await takeItems(target.client.eachMigration(query), limit);
        print(context, options, { document: { items }, text: renderFleetMigrations(items) });
      }),
    'drover migration list',
    'drover migration list --state failed --host a',
  );

  withExamples(
    withTarget(
      group
        .command('show')
        .description('Show one migration, with its report where it has ended.')
        .argument('<migration>', 'id'),
    )
      .addOption(jsonOption())
      .action(async (id: string, options: TargetOptions) => {
        const target = await chooseTarget(options, context);
        const [document, text] =
          target.kind === 'agent'
            ? await target.client.getMigration(id).then((view) => [view, renderAgentMigration(view)] as const)
            : await target.client
                .getMigration(id)
                .then((migration) => [migration, renderFleetMigration(migration)] as const);
        print(context, options, { document, text });
        if (!options.json && document.error !== null) context.stdout.write(failureLine(document.error));
      }),
    'drover migration show 6f0d1c1e-6d0a-4a53-9a55-0b6f5f5d9a11',
  );

  withExamples(
    withTarget(
      group
        .command('cancel')
        .description('Cancel a migration; works until the handover, and returns when it has ended.')
        .argument('<migration>', 'id'),
    )
      .addOption(jsonOption())
      .action(async (id: string, options: TargetOptions) => {
        const target = await chooseTarget(options, context);
        if (target.kind === 'agent') {
          const view = await target.client.cancelMigration(id);
          print(context, options, { document: view, text: renderOutcome(view) });
          // Asked to cancel and cancelled is a success; what went another way is not.
          if (view.state !== 'cancelled') context.exitWith(ExitCode.failed);
          return;
        }
        const { client } = target;
        await client.cancelMigration(id);
        const silent = { event: () => undefined, remark: () => undefined, end: () => undefined };
        const display = { ...silent, lost: () => undefined, close: () => undefined };
        const result = await followMigration(inFleet(client, id, display), display, context, {
          cancelOnInterrupt: false,
        });
        if (result.kind !== 'ended') {
          conclude(result, fleetOutcome, id, display, context);
          return;
        }
        const { migration } = result;
        print(context, options, { document: migration, text: renderOutcome(fleetOutcome(migration)) });
        if (migration.state !== 'cancelled') context.exitWith(ExitCode.failed);
      }),
    'drover migration cancel 6f0d1c1e-6d0a-4a53-9a55-0b6f5f5d9a11',
  );

  withExamples(
    withTarget(
      group
        .command('watch')
        .description('Show a migration live until it ends. Ctrl-C stops watching and changes nothing.')
        .argument('<migration>', 'id'),
    )
      .addOption(jsonOption())
      .action(async (id: string, options: TargetOptions) => {
        const target = await chooseTarget(options, context);
        const json = options.json === true;
        if (target.kind === 'agent') {
          const { instanceName, peer } = await target.client.getMigration(id);
          const title = { instance: instanceName, destination: peer, maxDowntimeMs: null };
          const display = chooseDisplay(context, title, json);
          const followed = onAgent(target.client, id, display);
          const result = await followMigration(followed, display, context, { cancelOnInterrupt: false });
          conclude(result, (view) => view, id, display, context);
          return;
        }
        const migration = await target.client.getMigration(id);
        const title = {
          instance: migration.instanceName,
          destination: migration.destination?.name ?? 'another host',
          maxDowntimeMs: migration.settings.maxDowntimeMs,
        };
        const display = chooseDisplay(context, title, json);
        const followed = inFleet(target.client, id, display);
        const result = await followMigration(followed, display, context, { cancelOnInterrupt: false });
        conclude(result, fleetOutcome, id, display, context);
      }),
    'drover migration watch 6f0d1c1e-6d0a-4a53-9a55-0b6f5f5d9a11 --json',
  );

  withExamples(
    withTarget(
      group
        .command('resolve')
        .description(
          'Decide a migration in doubt whose other host is lost for good: whatever still runs there must be unable to run any\n' +
            'more. A control plane must have been told so with "drover host lost". Asked of an agent, it shows first what is known,\n' +
            'and without --decision nothing else; the lost host is then named as the doubt names it.',
        )
        .argument('<migration>', 'id'),
    )
      .addOption(
        new Option('--decision <decision>', 'what shall become of the guest').choices([
          'take-back',
          'take-over',
          'give-up',
        ]),
      )
      .option('--lost-host <host>', 'the lost host')
      .option('--reason <text>', 'how it is known; kept in the audit trail')
      .addOption(jsonOption())
      .action(async (id: string, options: ResolveOptions) => {
        const target = await chooseTarget(options, context);
        if (target.kind === 'agent') {
          const word = options.decision === undefined ? null : decided(options);
          await showEvidence(target.client, id, options, context);
          if (word === null) return;
          const view = await target.client.resolveMigration(id, word);
          print(context, options, { document: view, text: renderAgentMigration(view) });
          return;
        }
        const migration = await target.client.resolveMigration(id, decided(options));
        print(context, options, { document: migration, text: renderFleetMigration(migration) });
      }),
    'drover migration resolve 6f0d1c1e-6d0a-4a53-9a55-0b6f5f5d9a11 --decision take-back --lost-host b --reason "power cut, racked out"',
    'drover migration resolve 6f0d1c1e-6d0a-4a53-9a55-0b6f5f5d9a11 --agent http://127.0.0.1:7700',
  );
}

/** What an agent knows of a migration that somebody is to decide. As JSON only where that is all that was asked for. */
async function showEvidence(
  client: AgentClient,
  id: string,
  { json, decision }: ResolveOptions,
  context: CommandContext,
): Promise<void> {
  const [migration, ownership] = await Promise.all([client.getMigration(id), client.getOwnership(id)]);
  if (decision === undefined && migration.doubt !== null) context.exitWith(ExitCode.inDoubt);
  if (json && decision !== undefined) return;
  const text = `${renderAgentMigration(migration)}${renderOwnership(ownership)}`;
  print(context, { json }, { document: { migration, ownership }, text });
}

/** Errors: `cli-usage`. */
function decided({ decision, lostHost, reason }: ResolveOptions) {
  if (decision !== undefined && lostHost !== undefined && reason !== undefined) {
    return { decision, lostHost, reason };
  }
  throw cliErrors.error('cli-usage', 'A decision needs --decision, --lost-host and --reason.');
}
