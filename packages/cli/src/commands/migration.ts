import type { MigrationView } from '@drover/protocol';
import { formatDuration } from '@drover/types';
import type { Command } from 'commander';
import type { CommandContext } from '../context.js';
import { ExitCode } from '../exit-codes.js';
import { chooseDisplay, conclude } from '../migration/conclude.js';
import { followMigration } from '../migration/follow.js';
import { failureLine } from '../output/failure.js';
import { type Column, renderTable } from '../output/table.js';
import { renderOutcome } from '../progress/outcome.js';
import { type AgentOptions, agentClient, agentOption, jsonOption, withExamples } from './options.js';

export function addMigrationCommands(program: Command, context: CommandContext): void {
  const group = program.command('migration').description('Look at migrations, cancel them, watch them.');
  const agent = agentOption(context);
  const json = jsonOption();
  const { stdout } = context;

  withExamples(
    group
      .command('list')
      .description('List the migrations that an agent took part in.')
      .addOption(agent)
      .addOption(json)
      .action(async (options: AgentOptions) => {
        const items = await agentClient(options.agent).listMigrations();
        stdout.write(options.json ? `${JSON.stringify({ items })}\n` : `${renderTable(columns, items)}\n`);
      }),
    'drover migration list',
  );

  withExamples(
    group
      .command('show')
      .description('Show one migration, with its report where it has ended.')
      .argument('<migration>', 'id')
      .addOption(agent)
      .addOption(json)
      .action(async (id: string, options: AgentOptions) => {
        const migration = await agentClient(options.agent).getMigration(id);
        stdout.write(options.json ? `${JSON.stringify(migration)}\n` : renderOutcome(migration));
        if (!options.json && migration.error !== null) stdout.write(failureLine(migration.error));
      }),
    'drover migration show 6f0d1c1e-6d0a-4a53-9a55-0b6f5f5d9a11',
  );

  withExamples(
    group
      .command('cancel')
      .description('Cancel a migration; works until the handover, and returns when it has ended.')
      .argument('<migration>', 'id')
      .addOption(agent)
      .addOption(json)
      .action(async (id: string, options: AgentOptions) => {
        const migration = await agentClient(options.agent).cancelMigration(id);
        stdout.write(options.json ? `${JSON.stringify(migration)}\n` : renderOutcome(migration));
        // Asked to cancel and cancelled is a success; what went another way is not.
        if (migration.state !== 'cancelled') context.exitWith(ExitCode.failed);
      }),
    'drover migration cancel 6f0d1c1e-6d0a-4a53-9a55-0b6f5f5d9a11',
  );

  withExamples(
    group
      .command('watch')
      .description('Show a migration live until it ends. Ctrl-C stops watching and changes nothing.')
      .argument('<migration>', 'id')
      .addOption(agent)
      .addOption(json)
      .action(async (id: string, options: AgentOptions) => {
        const client = agentClient(options.agent);
        const { instanceName, peer } = await client.getMigration(id);
        const title = { instance: instanceName, destination: peer, maxDowntimeMs: null };
        const display = chooseDisplay(context, title, options.json === true);
        const result = await followMigration(client, id, display, context, { cancelOnInterrupt: false });
        conclude(result, id, display, context);
      }),
    'drover migration watch 6f0d1c1e-6d0a-4a53-9a55-0b6f5f5d9a11 --json',
  );
}

const columns: readonly Column<MigrationView>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'INSTANCE', value: ({ instanceName }) => instanceName },
  { title: 'ROLE', value: ({ role }) => role },
  { title: 'PEER', value: ({ peer }) => peer },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'PHASE', value: ({ phase }) => phase },
  {
    title: 'DOWNTIME',
    value: ({ report }) => (report === null ? '-' : formatDuration(report.downtime.totalMs)),
    align: 'right',
  },
  { title: 'STARTED', value: ({ startedAt }) => startedAt },
];
