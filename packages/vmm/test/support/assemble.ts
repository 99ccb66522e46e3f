/** Assembles `test/guest/tiny.S` once before all tests, with the tools that the native build needs anyway. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TINY_GUEST } from './tiny-guest.js';

export function setup(): void {
  const source = fileURLToPath(new URL('../guest/tiny.S', import.meta.url));
  const object = TINY_GUEST.replace(/elf$/, 'o');
  mkdirSync(dirname(TINY_GUEST), { recursive: true });
  try {
    execFileSync('as', ['--32', source, '-o', object]);
    const layout = ['-m', 'elf_i386', '-Ttext=0x100000', '-n', '--no-warn-rwx-segments'];
    execFileSync('ld', [...layout, object, '-o', TINY_GUEST]);
  } catch (error) {
    // The tests that need it say that it is missing.
    console.error(`The tiny guest could not be assembled: ${error instanceof Error ? error.message : error}`);
  }
}
