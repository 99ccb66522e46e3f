import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Compiles the guest for one run of the tests; its path reaches them in `FAKE_GUEST`. */
export default function setup(): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'drover-guest-'));
  const binary = join(directory, 'fake-guest');
  const source = fileURLToPath(new URL('fake-guest.c', import.meta.url));
  execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', binary, source]);
  process.env.FAKE_GUEST = binary;
  return () => rmSync(directory, { recursive: true, force: true });
}
