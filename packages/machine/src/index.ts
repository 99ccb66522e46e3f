/** What a host agent needs to start a machine; the rest of this package runs in the machine's own process. */
import { fileURLToPath } from 'node:url';

/** The program of a machine, for Node to run: `drover-machine.mjs --socket PATH`. */
export function machineProgram(): string {
  return fileURLToPath(new URL('../bin/drover-machine.mjs', import.meta.url));
}
