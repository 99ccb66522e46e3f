import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** The `drover` command of this checkout. */
export const agentCommand: readonly string[] = [
  process.execPath,
  join(root, 'packages', 'cli', 'bin', 'drover.mjs'),
];
export const bareGuest = join(root, 'native', 'guest', 'build', 'drover-guest.elf');
