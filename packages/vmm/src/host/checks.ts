/** What every VMM needs of its host: each check throws one error with what, where and what to do, and makes nothing. */
import { constants } from 'node:fs';
import type { InstanceSpec } from '@drover/types';
import { vmmErrors } from '../errors.js';
import { availableMemory } from './memory.js';
import { tryOpen } from './open-file.js';

const MIB = 1024 * 1024;

export async function checkBootFiles(spec: InstanceSpec): Promise<void> {
  if (spec.boot.from !== 'kernel') return;
  const files = { kernel: spec.boot.kernel, initrd: spec.boot.initrd };
  for (const [what, path] of Object.entries(files)) {
    if (path === undefined) continue;
    const found = await tryOpen(path, constants.O_RDONLY);
    if (found.kind === 'file') continue;
    const why = found.kind === 'unusable' ? found.why : 'it is a block device';
    throw vmmErrors.error(
      'boot-file-unreadable',
      `The ${what} ${path} of instance "${spec.name}" cannot be used on this host: ${why}. Put it there, or correct the path.`,
    );
  }
}

/** Guest memory is taken as the guest touches it; a guest that could never have all of it is refused. */
export async function checkMemory(spec: InstanceSpec): Promise<void> {
  const available = await availableMemory();
  if (spec.memoryMiB * MIB <= available.bytes) return;
  throw vmmErrors.error(
    'memory-insufficient',
    `Instance "${spec.name}" has ${spec.memoryMiB} MiB of memory; ${Math.floor(available.bytes / MIB)} MiB are available here (${available.limitedBy}). Free memory, or choose another host.`,
  );
}
