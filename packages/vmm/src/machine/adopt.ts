/** Coming back to a machine that an earlier agent started (R11). */
import { rm } from 'node:fs/promises';
import { DroverError } from '@drover/types';
import type { VmmRecord } from '../driver.js';
import { vmmErrors } from '../errors.js';
import { openRegionOf } from '../process/regions.js';
import { VmmProcess } from '../process/vmm-process.js';
import { connect, lastWords } from './connection.js';
import type { ConnectedMachine } from './launch.js';
import { type MachinePaths, machinePaths } from './paths.js';
import type { MachineTuning } from './tuning.js';

/** A process that was found may be about to end; how long its end may take, ms. */
const ENDING_MS = 500;

/**
 * Rejects with `vmm-gone` when the process is not there any more, and then removes its directory; with `machine-version-unknown` or
 * `vmm-not-adoptable` when it is there and cannot be spoken to, and then leaves it as it is.
 */
export async function adoptMachine(record: VmmRecord, tuning: MachineTuning): Promise<ConnectedMachine> {
  const paths = machinePaths(record.directory);
  const found = new VmmProcess(record.pid, record.pidStartTime);
  if (!found.alive()) throw await gone(record, paths);
  try {
    return await reach(record, paths, found, tuning);
  } catch (error) {
    if (await found.ended(ENDING_MS)) throw await gone(record, paths);
    const known = ['vmm-not-adoptable', 'machine-version-unknown'];
    if (error instanceof DroverError && known.includes(error.code)) throw error;
    throw vmmErrors.error(
      'vmm-not-adoptable',
      `The machine (process ${record.pid}) cannot be used: ${error instanceof Error ? error.message : String(error)} The process was left as it is.`,
      error,
    );
  }
}

async function reach(
  record: VmmRecord,
  paths: MachinePaths,
  process: VmmProcess,
  tuning: MachineTuning,
): Promise<ConnectedMachine> {
  const region = record.regions[0];
  if (record.regions.length !== 1 || region === undefined) {
    throw vmmErrors.error(
      'vmm-not-adoptable',
      `The record of process ${record.pid} names ${record.regions.length} memory regions; this driver makes one.`,
    );
  }
  const memory = openRegionOf(record.pid, region.vmmFd, BigInt(region.sizeBytes));
  try {
    const client = await connect(paths, record.pid, { timeoutMs: tuning.requestTimeoutMs }, tuning);
    try {
      const { tracker } = await client.request('status', {});
      return { record, paths, process, memory, client, tracker: tracker ?? tuning.tracker };
    } catch (error) {
      client.close();
      throw error;
    }
  } catch (error) {
    memory.close();
    throw error;
  }
}

async function gone(record: VmmRecord, paths: MachinePaths): Promise<Error> {
  const said = lastWords(paths);
  await rm(record.directory, { recursive: true, force: true });
  return vmmErrors.error(
    'vmm-gone',
    `The machine (process ${record.pid}) of instance ${record.instanceId} has ended${said === '' ? '' : `; its last words: ${said}`}. Start the instance again.`,
  );
}
