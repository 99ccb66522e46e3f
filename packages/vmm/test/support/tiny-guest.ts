import { fileURLToPath } from 'node:url';

/** The smallest guest, as `assemble.ts` makes it. */
export const TINY_GUEST = fileURLToPath(new URL('../../test-results/guest/tiny.elf', import.meta.url));
