/**
 * VMMs that no record leads to: the agent died between starting a process and writing down that it had. Such a VMM never ran
 * guest code, for its record is on disk before its first instruction; so it is ended, whatever it was to become.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Logger } from 'pino';
import type { InstanceRegistry } from '../instances/registry.js';
import type { RunDirectory } from '../storage/run-directory.js';

export interface OrphanOptions {
  readonly runDirectory: RunDirectory;
  readonly registry: InstanceRegistry;
  /** What the names of VMMs' programs begin with. */
  readonly programs: readonly string[];
  readonly logger: Logger;
}

/** Ends them and removes their directories, and what interrupted migrations left. To be called once every record is adopted. */
export async function endOrphans({ runDirectory, registry, programs, logger }: OrphanOptions): Promise<void> {
  const known = new Set(registry.list().map(({ snapshot }) => snapshot.record?.directory));
  for (const directory of await runDirectory.list()) {
    if (known.has(directory)) continue;
    for (const pid of await processesIn(directory, programs)) {
      logger.warn({ pid, directory }, 'ended a VMM that was started and never recorded');
      try {
        process.kill(pid, 'SIGKILL');
      } catch (err) {
        logger.warn({ err, pid }, 'it had gone by itself');
      }
    }
    await rm(directory, { recursive: true, force: true });
  }
}

/** Programs of those names with the directory in their arguments. Others, such as a person's own tool on the console, are left alone. */
async function processesIn(directory: string, names: readonly string[]): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue;
    const text = await readFile(join('/proc', entry, 'cmdline'), 'utf8').catch(() => '');
    const [program = '', ...rest] = text.split('\0');
    const isVmm = names.some((name) => basename(program).startsWith(name));
    if (isVmm && rest.some((argument) => argument.includes(`${directory}/`))) {
      found.push(Number(entry));
    }
  }
  return found;
}
