/** Builds the bare-metal guests once before all tests, into this package's own folder. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { guestFolder } from './guests.js';

export function setup(): void {
  const source = fileURLToPath(new URL('../../../../native/guest', import.meta.url));
  execFileSync('make', ['-s', '-C', source, 'bare', `BUILD=${guestFolder}`]);
}
