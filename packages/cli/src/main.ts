import type { CommandContext } from './context.js';
import { ExitCode } from './exit-codes.js';
import { runCommand } from './run-command.js';

/** The process around {@link runCommand}: its streams, its signals, its exit code. */
export async function main(): Promise<void> {
  let exitCode: ExitCode = ExitCode.ok;
  // A reader that has seen enough (`drover instance log web-1 | head`) is not a failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCode);
    throw error;
  });
  const context: CommandContext = {
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    environment: process.env,
    onInterrupt(listener) {
      process.on('SIGINT', listener);
      process.on('SIGTERM', listener);
      const onParentGone = () => listener('SIGTERM');
      process.on('disconnect', onParentGone);
      return () => {
        process.off('disconnect', onParentGone);
        process.off('SIGINT', listener);
        process.off('SIGTERM', listener);
      };
    },
    exitWith(code) {
      exitCode = code;
    },
  };
  await runCommand(process.argv.slice(2), context);
  process.exitCode = exitCode;
}
