/**
 * The process of one machine. It is started by a host agent with the guest's memory as descriptor 3 and nothing else of the agent's, listens
 * on one unix socket, and lives until it is killed: what becomes of the agent does not matter to it (R11).
 *
 *   drover-machine --socket PATH
 */
import { MACHINE_MEMORY_FD } from '@drover/protocol';
import { Machine } from './machine.js';
import { serve } from './server.js';

export async function main(args: readonly string[]): Promise<void> {
  const [option, path, ...more] = args;
  if (option !== '--socket' || path === undefined || more.length > 0) {
    console.error(
      'usage: drover-machine --socket PATH; a host agent starts it, with the memory of the guest as descriptor 3',
    );
    process.exitCode = 64;
    return;
  }
  // Its sockets and logs are the agent's and nobody else's.
  process.umask(0o077);
  const machine = new Machine(MACHINE_MEMORY_FD);
  try {
    await serve(machine, path);
  } catch (error) {
    console.error(`the socket ${path} cannot be served: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
