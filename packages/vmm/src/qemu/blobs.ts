/** Disks whose content is in the spec: made into files of the VMM's directory, by source and destination each for itself. */
import { writeFile } from 'node:fs/promises';
import type { InstanceSpec } from '@drover/types';
import { blobPath, type VmmPaths } from './paths.js';

/** They go with the directory. */
export async function writeBlobs(spec: InstanceSpec, paths: VmmPaths): Promise<void> {
  for (const [id, component] of Object.entries(spec.components)) {
    if (component.kind !== 'blob-storage') continue;
    const content = Buffer.from(component.contentBase64, 'base64');
    await writeFile(blobPath(paths, id), content, { flag: 'wx', mode: 0o400 });
  }
}
