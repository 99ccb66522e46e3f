/** The command line as a library: for tests and for programs that start it in their own process. */
export type { CommandContext, Output } from './context.js';
export { cliErrors } from './errors.js';
export { ExitCode } from './exit-codes.js';
export { main } from './main.js';
export { runCommand } from './run-command.js';
