import { mkdir, readdir } from 'node:fs/promises';
import { vmmErrors } from '../errors.js';

/** Makes the private directory of a VMM. Throws `vmm-directory-in-use`. */
export async function claimDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const files = await readdir(directory);
  if (files.length === 0) return;
  throw vmmErrors.error(
    'vmm-directory-in-use',
    `The VMM directory ${directory} already holds ${files.join(', ')}. End what uses it, or remove it.`,
  );
}
