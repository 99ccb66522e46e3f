/** Coming back to a QEMU that an earlier agent started (R11). */
import { rm } from 'node:fs/promises';
import { DroverError } from '@drover/types';
import type { VmmRecord } from '../driver.js';
import { vmmErrors } from '../errors.js';
import { readTail } from '../process/log-tail.js';
import { openRegionOf } from '../process/regions.js';
import { VmmProcess } from '../process/vmm-process.js';
import { queryRunState } from '../qmp/commands.js';
import type { ConnectedQemu } from './launch.js';
import { connectMonitor } from './monitor.js';
import { type VmmPaths, vmmPaths } from './paths.js';
import { lastMessage } from './process-log.js';
import type { QemuTuning } from './tuning.js';

/** A process that was found may be about to end; how long its end may take, ms. */
const ENDING_MS = 500;

/**
 * Rejects with `vmm-gone` when the process is not there any more, and then removes its directory; with `vmm-not-adoptable`
 * when it is there and cannot be reached, and then leaves it as it is.
 */
export async function adoptQemu(record: VmmRecord, tuning: QemuTuning): Promise<ConnectedQemu> {
  const paths = vmmPaths(record.directory);
  const found = new VmmProcess(record.pid, record.pidStartTime);
  if (!found.alive()) throw await gone(record, paths);
  try {
    return await connect(record, paths, found, tuning);
  } catch (error) {
    if (await found.ended(ENDING_MS)) throw await gone(record, paths);
    if (error instanceof DroverError && error.code === 'vmm-not-adoptable') throw error;
    throw vmmErrors.error(
      'vmm-not-adoptable',
      `The monitor of QEMU process ${record.pid} cannot be used: ${error instanceof Error ? error.message : String(error)} The process was left as it is.`,
      error,
    );
  }
}

async function connect(
  record: VmmRecord,
  paths: VmmPaths,
  process: VmmProcess,
  tuning: QemuTuning,
): Promise<ConnectedQemu> {
  const region = record.regions[0];
  if (record.regions.length !== 1 || region === undefined) {
    throw vmmErrors.error(
      'vmm-not-adoptable',
      `The record of process ${record.pid} names ${record.regions.length} memory regions; this driver makes one.`,
    );
  }
  const memory = openRegionOf(record.pid, region.vmmFd, BigInt(region.sizeBytes));
  try {
    const qmp = await connectMonitor(paths, record.pid, tuning.commandTimeoutMs, tuning);
    try {
      return { record, paths, process, memory, qmp, runState: await queryRunState(qmp) };
    } catch (error) {
      qmp.close();
      throw error;
    }
  } catch (error) {
    memory.close();
    throw error;
  }
}

async function gone(record: VmmRecord, paths: VmmPaths): Promise<Error> {
  const said = lastMessage(readTail(paths.processLog));
  await rm(record.directory, { recursive: true, force: true });
  return vmmErrors.error(
    'vmm-gone',
    `The QEMU process ${record.pid} of instance ${record.instanceId} has ended${said === '' ? '' : `; its last words: ${said}`}. Start the instance again.`,
  );
}
