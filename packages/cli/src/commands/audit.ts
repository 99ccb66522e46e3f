import type { AuditEntry } from '@drover/protocol';
import type { Command } from 'commander';
import type { CommandContext } from '../context.js';
import { pageSize, takeItems } from '../fleet/items.js';
import { print } from '../output/print.js';
import { type Column, renderTable } from '../output/table.js';
import { type ControlPlaneOptions, controlPlaneClient, controlPlaneOption } from '../target/choose.js';
import { jsonOption, wholeNumber, withExamples } from './options.js';

interface AuditOptions extends ControlPlaneOptions {
  readonly target?: string;
  readonly limit?: number;
}

export function addAuditCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('audit')
    .description('Say who asked for what, newest first, and what came of it.')
    .option('--target <target>', 'only about this, such as host/<id> or instance/<id>')
    .option('--limit <n>', 'at most so many (default: 50)', wholeNumber(1, 1_000_000))
    .addOption(controlPlaneOption())
    .addOption(jsonOption())
    .action(async (options: AuditOptions) => {
      const client = await controlPlaneClient(options, context);
      const { target, limit = 50 } = options;
      const items = await takeItems(client.eachAudit({ target, limit: pageSize(limit) }), limit);
      print(context, options, { document: { items }, text: `${renderTable(columns, items)}\n` });
    });
  withExamples(command, 'drover audit', 'drover audit --target host/6f0d1c1e-6d0a-4a53-9a55-0b6f5f5d9a11');
}

const columns: readonly Column<AuditEntry>[] = [
  { title: 'AT', value: ({ at }) => at },
  { title: 'ACTOR', value: ({ actor }) => actor },
  { title: 'ACTION', value: ({ action }) => action },
  { title: 'TARGET', value: ({ target }) => target },
  { title: 'OUTCOME', value: ({ outcome }) => outcome },
];
