/**
 * Starting a QEMU, paused. In order: directory with its blobs, guest memory, process, monitor; each step undoes itself and
 * those before it when a later one fails, so that a failed launch leaves nothing.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GuestMemory, native } from '@drover/native';
import { SHIM_SOCKET_VARIABLE } from '@drover/protocol';
import { DroverError } from '@drover/types';
import type { LaunchRequest, VmmIdentity, VmmRecord } from '../driver.js';
import { vmmErrors } from '../errors.js';
import { claimDirectory } from '../process/directory.js';
import { readTail } from '../process/log-tail.js';
import { createRegion, openRegion, REGION_ID } from '../process/regions.js';
import { processStat, VmmProcess } from '../process/vmm-process.js';
import type { QmpClient } from '../qmp/client.js';
import { queryRunState } from '../qmp/commands.js';
import { writeBlobs } from './blobs.js';
import { commandLine, MEMORY_FD } from './command-line.js';
import type { StorageDrivers } from './disks.js';
import { connectMonitor } from './monitor.js';
import { type VmmPaths, vmmPaths } from './paths.js';
import { lastMessage } from './process-log.js';
import type { QemuTuning } from './tuning.js';

export interface LaunchPlan {
  readonly request: LaunchRequest;
  readonly identity: VmmIdentity;
  /** Path of the QEMU program. */
  readonly binary: string;
  readonly shimLibrary: string;
  readonly storage: StorageDrivers;
  readonly tuning: QemuTuning;
}

/** A QEMU that answers on its monitor. */
export interface ConnectedQemu {
  readonly record: VmmRecord;
  readonly paths: VmmPaths;
  readonly process: VmmProcess;
  readonly memory: GuestMemory;
  readonly qmp: QmpClient;
  /** QEMU's run state when it was connected. */
  readonly runState: string;
}

/** Rejects with `qemu-start-failed`, `qmp-cancelled`, `vmm-directory-too-long`, `vmm-directory-in-use` or `shim-missing`. */
export async function launchQemu(plan: LaunchPlan): Promise<ConnectedQemu> {
  const { request } = plan;
  const paths = vmmPaths(request.directory);
  const newLog = !existsSync(request.logFile);
  await claimDirectory(request.directory);
  try {
    await mkdir(dirname(request.logFile), { recursive: true });
    await writeBlobs(request.spec, paths);
    return await startIn(paths, plan);
  } catch (error) {
    await rm(request.directory, { recursive: true, force: true });
    if (newLog) await rm(request.logFile, { force: true });
    throw error;
  }
}

async function startIn(paths: VmmPaths, plan: LaunchPlan): Promise<ConnectedQemu> {
  const { vmmId, spec } = plan.request;
  const sizeBytes = BigInt(spec.memoryMiB) * 1024n * 1024n;
  const fd = createRegion(vmmId, spec.memoryMiB);
  let memory: GuestMemory | null = null;
  try {
    memory = openRegion(fd, sizeBytes);
    const child = spawnQemu(fd, paths, plan);
    return await connect(child, memory, paths, plan);
  } catch (error) {
    memory?.close();
    throw error;
  } finally {
    native().closeFd(fd);
  }
}

/** In a session of its own, with files instead of pipes: it must outlive the agent (R11). */
function spawnQemu(memoryFd: number, paths: VmmPaths, plan: LaunchPlan): ChildProcess {
  const { request, identity } = plan;
  const log = openSync(paths.processLog, 'a', 0o600);
  try {
    const stdio: (number | 'ignore')[] = ['ignore', log, log];
    stdio[MEMORY_FD] = memoryFd;
    return spawn(
      plan.binary,
      commandLine({
        instanceId: request.instanceId,
        spec: request.spec,
        machineType: identity.machineType,
        accelerator: identity.accelerator,
        incoming: request.incoming,
        paths,
        consoleLog: request.logFile,
        storage: plan.storage,
      }),
      {
        detached: true,
        stdio,
        env: { ...process.env, LD_PRELOAD: plan.shimLibrary, [SHIM_SOCKET_VARIABLE]: paths.shim },
      },
    );
  } finally {
    closeSync(log);
  }
}

async function connect(
  child: ChildProcess,
  memory: GuestMemory,
  paths: VmmPaths,
  plan: LaunchPlan,
): Promise<ConnectedQemu> {
  const { request, identity, tuning } = plan;
  const over = new AbortController();
  const stop = (): void => over.abort();
  const ended = new Promise<Error | null>((resolve) => {
    child.once('exit', () => resolve(null));
    child.once('error', (error) => resolve(error));
  });
  ended.then(stop, stop);
  request.signal.addEventListener('abort', stop, { once: true });
  if (request.signal.aborted) stop();
  let qmp: QmpClient | null = null;
  try {
    const { pid } = child;
    const startTime = pid === undefined ? undefined : processStat(pid)?.startTime;
    if (pid === undefined || startTime === undefined) throw (await ended) ?? new Error('it ended at once');
    qmp = await connectMonitor(paths, pid, tuning.launchTimeoutMs, tuning, over.signal);
    const runState = await queryRunState(qmp, { signal: over.signal });
    const wanted = request.incoming ? 'inmigrate' : 'prelaunch';
    if (runState !== wanted) throw new Error(`its run state is ${runState} instead of ${wanted}`);
    if (!existsSync(paths.shim)) throw shimMissing(plan.shimLibrary, paths);
    child.unref();
    const record: VmmRecord = {
      vmmId: request.vmmId,
      instanceId: request.instanceId,
      identity: { ...identity, version: qmp.version },
      directory: request.directory,
      logFile: request.logFile,
      pid,
      pidStartTime: startTime,
      regions: [
        {
          id: REGION_ID,
          sizeBytes: String(BigInt(request.spec.memoryMiB) * 1024n * 1024n),
          vmmFd: MEMORY_FD,
        },
      ],
    };
    return { record, paths, process: new VmmProcess(pid, startTime, child), memory, qmp, runState };
  } catch (error) {
    qmp?.close();
    child.kill('SIGKILL');
    const spawnError = await Promise.race([ended, sleep(tuning.killTimeoutMs, null, { ref: false })]);
    throw startFailure(spawnError ?? error, paths, plan);
  } finally {
    request.signal.removeEventListener('abort', stop);
  }
}

function startFailure(error: unknown, paths: VmmPaths, { request, binary }: LaunchPlan): Error {
  if (error instanceof DroverError && error.code === 'shim-missing') return error;
  const what = `QEMU (${binary}) for instance "${request.spec.name}"`;
  if (request.signal.aborted) {
    return vmmErrors.error('qmp-cancelled', `Starting ${what} was cancelled.`, error);
  }
  const said = lastMessage(readTail(paths.processLog));
  const why = said !== '' ? said : error instanceof Error ? error.message : String(error);
  return vmmErrors.error('qemu-start-failed', `${what} did not start: ${why}`, error);
}

function shimMissing(library: string, paths: VmmPaths): Error {
  const said = lastMessage(readTail(paths.processLog));
  return vmmErrors.error(
    'shim-missing',
    `The preloaded library ${library} did not start in QEMU${said === '' ? '' : ` (${said})`}. Build it with "npm run bootstrap".`,
  );
}
