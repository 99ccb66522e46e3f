import { Command } from 'commander';
import { addAgentCommand } from './commands/agent.js';
import { addAuditCommand } from './commands/audit.js';
import { addCompatCommand } from './commands/compat.js';
import { addControlPlaneCommand } from './commands/control-plane.js';
import { addDoctorCommand } from './commands/doctor.js';
import { addDrainCommands } from './commands/drain.js';
import { addEventsCommand } from './commands/events.js';
import { addFleetCommands } from './commands/fleet.js';
import { addHostCommands } from './commands/host.js';
import { addInstanceCommands } from './commands/instance.js';
import { addMigrateCommand } from './commands/migrate.js';
import { addMigrationCommands } from './commands/migration.js';
import { addPreflightCommand } from './commands/preflight.js';
import { addUpCommand } from './commands/up.js';
import { addVersionCommand } from './commands/version.js';
import type { CommandContext } from './context.js';

/** The whole command tree. To add a command: a file in `commands/`, a line here, a row in the README. */
export function createProgram(context: CommandContext): Command {
  const program = new Command('drover')
    .description('Moves running virtual machines between hosts.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      // runCommand writes every failure itself, in one form.
      outputError: () => undefined,
    })
    .showSuggestionAfterError()
    .addHelpText('after', exitCodes);
  addDoctorCommand(program, context);
  addAgentCommand(program, context);
  addControlPlaneCommand(program, context);
  addUpCommand(program, context);
  addHostCommands(program, context);
  addInstanceCommands(program, context);
  addPreflightCommand(program, context);
  addMigrateCommand(program, context);
  addMigrationCommands(program, context);
  addDrainCommands(program, context);
  addFleetCommands(program, context);
  addEventsCommand(program, context);
  addAuditCommand(program, context);
  addVersionCommand(program, context);
  addCompatCommand(program, context);
  return program;
}

const exitCodes = `
Exit codes:
  0  done
  1  failed
  2  usage or bad input
  3  refused: by the control plane, an agent or the destination; or found to be, before anything moved
  4  cancelled
  5  in doubt: the outcome is not known`;
