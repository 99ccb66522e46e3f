import { CommanderError } from 'commander';
import type { CommandContext } from './context.js';
import { exitCodeOf } from './exit-codes.js';
import { describeFailure, failureJson, failureLine } from './output/failure.js';
import { createProgram } from './program.js';

/**
 * Runs one command line (without `node` and the program's name) to its end. Never throws: a failure becomes one sentence on
 * standard error, with `--json` also `{"error":…}` on standard output, and an exit code.
 */
export async function runCommand(args: readonly string[], context: CommandContext): Promise<void> {
  try {
    await createProgram(context).parseAsync([...args], { from: 'user' });
  } catch (thrown) {
    context.exitWith(exitCodeOf(thrown));
    if (thrown instanceof CommanderError && (thrown.exitCode === 0 || thrown.code === 'commander.help'))
      return;
    const failure = describeFailure(thrown);
    if (args.includes('--json')) context.stdout.write(failureJson(failure));
    context.stderr.write(failureLine(failure));
  }
}
