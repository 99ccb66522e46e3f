import { type Command, InvalidArgumentError } from 'commander';
import { address } from '../configuration/values.js';
import type { CommandContext } from '../context.js';
import type { UpOptions } from '../up/run.js';
import { jsonOption, wholeNumber, withExamples } from './options.js';

const DEFAULT_DIRECTORY = '/var/lib/drover-up';

export function addUpCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('up')
    .description(
      'Run a control plane and a few agents on this machine, for development, until Ctrl-C ends all of them.\n' +
        'With --json one line of JSON says when they are ready, and where.',
    )
    .option('--agents <n>', 'agents, which are called a, b, c …', wholeNumber(1, 26), 2)
    .option('--directory <directory>', 'state and logs of all of them; must be short', DEFAULT_DIRECTORY)
    .option('--listen <host:port>', 'where the control plane listens', parseAddress, {
      host: '127.0.0.1',
      port: 7600,
    })
    .option('--keep-guests', 'let guests go on at the end; the next "drover up" on the directory finds them')
    .addOption(jsonOption())
    .action(async (options: UpOptions) => {
      // The control plane brings its server and its database, which no other command shall wait for.
      const { runUp } = await import('../up/run.js');
      await runUp(options, context);
    });
  withExamples(command, 'drover up', 'drover up --agents 3 --directory /tmp/fleet --keep-guests');
}

function parseAddress(text: string): UpOptions['listen'] {
  const parsed = address.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(`"${text}" is not HOST:PORT, for example 127.0.0.1:7600.`);
}
