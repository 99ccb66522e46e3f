import { type Command, InvalidArgumentError } from 'commander';
import { abortOnInterrupt, type CommandContext } from '../context.js';
import { renderEvent } from '../fleet/event-line.js';
import { type ControlPlaneOptions, controlPlaneClient, controlPlaneOption } from '../target/choose.js';
import { jsonOption, wholeNumber, withExamples } from './options.js';

const kinds = ['host', 'vmm', 'instance', 'migration', 'drain', 'gone'] as const;
type Kind = (typeof kinds)[number];

interface EventsOptions extends ControlPlaneOptions {
  readonly kinds?: readonly Kind[];
  readonly after?: string;
  readonly count?: number;
}

export function addEventsCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('events')
    .description(
      'Print what changes in the fleet as it changes, until Ctrl-C. With --json one event a line, each with its id,\n' +
        'which --after takes to go on where another call ended.',
    )
    .option('--kinds <list>', `only these, such as host,migration (${kinds.join(', ')})`, parseKinds)
    .option('--after <id>', 'begin with what came after this event')
    .option('--count <n>', 'end after so many', wholeNumber(1, 1_000_000))
    .addOption(controlPlaneOption())
    .addOption(jsonOption())
    .action(async (options: EventsOptions) => {
      const client = await controlPlaneClient(options, context);
      const { signal, release } = abortOnInterrupt(context);
      let left = options.count ?? Number.POSITIVE_INFINITY;
      try {
        const events = client.watchEvents({ kinds: options.kinds, lastEventId: options.after, signal });
        for await (const { id, event } of events) {
          const line = options.json ? JSON.stringify({ id, ...event }) : renderEvent(event);
          context.stdout.write(`${line}\n`);
          left -= 1;
          if (left === 0) return;
        }
      } catch (thrown) {
        // Ctrl-C is how this command ends.
        if (!signal.aborted) throw thrown;
      } finally {
        release();
      }
    });
  withExamples(
    command,
    'drover events',
    'drover events --kinds migration,drain --json',
    'drover events --after 4711 --count 1 --json',
  );
}

function parseKinds(text: string): readonly Kind[] {
  return text.split(',').map((part) => {
    const kind = kinds.find((one) => one === part.trim());
    if (kind !== undefined) return kind;
    throw new InvalidArgumentError(`"${part}" is no kind of event; there are ${kinds.join(', ')}.`);
  });
}
