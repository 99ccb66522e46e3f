import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const bareGuest = join(root, 'native', 'guest', 'build', 'drover-guest.elf');
