import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const guestFolder = fileURLToPath(new URL('../../test-results/guest', import.meta.url));
/** Beats, and checks its memory. */
export const beatingGuest = join(guestFolder, 'drover-guest.elf');
/** Checks what a look at memory cannot see. */
export const stateGuest = join(guestFolder, 'drover-state.elf');
