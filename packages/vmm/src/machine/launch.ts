/**
 * Starting a machine, paused. In order: directory, guest memory, process, VM, kernel; each step undoes itself and those before it when a later
 * one fails, so that a failed launch leaves nothing.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { machineProgram } from '@drover/machine';
import { type GuestMemory, native } from '@drover/native';
import { MACHINE_MEMORY_FD } from '@drover/protocol';
import type { LaunchRequest, VmmIdentity, VmmRecord } from '../driver.js';
import { vmmErrors } from '../errors.js';
import { claimDirectory } from '../process/directory.js';
import { createRegion, openRegion, REGION_ID } from '../process/regions.js';
import { processStat, VmmProcess } from '../process/vmm-process.js';
import type { MachineClient } from './client.js';
import { connect, lastWords, reason } from './connection.js';
import { type MachinePaths, machinePaths } from './paths.js';
import type { MachineTuning } from './tuning.js';

/** What the processes of machines are called; Node runs them. */
export const MACHINE_PROCESS = 'drover-machine';

export interface MachinePlan {
  readonly request: LaunchRequest;
  readonly identity: VmmIdentity;
  readonly tuning: MachineTuning;
}

/** A machine that answers on its socket. */
export interface ConnectedMachine {
  readonly record: VmmRecord;
  readonly paths: MachinePaths;
  readonly process: VmmProcess;
  readonly memory: GuestMemory;
  readonly client: MachineClient;
  /** What its VM was made with. */
  readonly tracker: MachineTuning['tracker'];
}

/** Rejects with `machine-start-failed`, `machine-cancelled`, `vmm-directory-too-long` or `vmm-directory-in-use`. */
export async function launchMachine(plan: MachinePlan): Promise<ConnectedMachine> {
  const { request } = plan;
  const paths = machinePaths(request.directory);
  const newLog = !existsSync(request.logFile);
  await claimDirectory(request.directory);
  try {
    await mkdir(dirname(request.logFile), { recursive: true });
    return await startIn(paths, plan);
  } catch (error) {
    await rm(request.directory, { recursive: true, force: true });
    if (newLog) await rm(request.logFile, { force: true });
    throw error;
  }
}

async function startIn(paths: MachinePaths, plan: MachinePlan): Promise<ConnectedMachine> {
  const { vmmId, spec } = plan.request;
  const fd = createRegion(vmmId, spec.memoryMiB);
  let memory: GuestMemory | null = null;
  try {
    memory = openRegion(fd, memoryBytes(plan));
    return await setUp(spawnMachine(fd, paths), memory, paths, plan);
  } catch (error) {
    memory?.close();
    throw error;
  } finally {
    native().closeFd(fd);
  }
}

/** In a session of its own, with files instead of pipes: it must outlive the agent (R11). */
function spawnMachine(memoryFd: number, paths: MachinePaths): ChildProcess {
  const log = openSync(paths.processLog, 'a', 0o600);
  try {
    const stdio: (number | 'ignore')[] = ['ignore', log, log];
    stdio[MACHINE_MEMORY_FD] = memoryFd;
    return spawn(process.execPath, [machineProgram(), '--socket', paths.socket], {
      argv0: MACHINE_PROCESS,
      detached: true,
      stdio,
    });
  } finally {
    closeSync(log);
  }
}

async function setUp(
  child: ChildProcess,
  memory: GuestMemory,
  paths: MachinePaths,
  plan: MachinePlan,
): Promise<ConnectedMachine> {
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
  const wait = { timeoutMs: tuning.launchTimeoutMs, signal: over.signal };
  let client: MachineClient | null = null;
  try {
    const { pid } = child;
    const startTime = pid === undefined ? undefined : processStat(pid)?.startTime;
    if (pid === undefined || startTime === undefined) throw (await ended) ?? new Error('it ended at once');
    client = await connect(paths, pid, wait, tuning);
    await makeVm(client, paths, plan, wait);
    child.unref();
    const record: VmmRecord = {
      vmmId: request.vmmId,
      instanceId: request.instanceId,
      identity: { ...identity, version: client.release },
      directory: request.directory,
      logFile: request.logFile,
      pid,
      pidStartTime: startTime,
      regions: [{ id: REGION_ID, sizeBytes: String(memoryBytes(plan)), vmmFd: MACHINE_MEMORY_FD }],
    };
    const process = new VmmProcess(pid, startTime, child);
    return { record, paths, process, memory, client, tracker: tuning.tracker };
  } catch (error) {
    client?.close();
    child.kill('SIGKILL');
    const spawnError = await Promise.race([ended, sleep(tuning.killTimeoutMs, null, { ref: false })]);
    throw startFailure(spawnError ?? error, paths, plan);
  } finally {
    request.signal.removeEventListener('abort', stop);
  }
}

async function makeVm(
  client: MachineClient,
  paths: MachinePaths,
  plan: MachinePlan,
  wait: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const { request, tuning } = plan;
  const { spec, logFile, incoming } = request;
  await client.request(
    'configure',
    {
      memoryBytes: String(memoryBytes(plan)),
      cpus: spec.cpus,
      tracker: tuning.tracker,
      consoleSocket: paths.console,
      consoleLog: logFile,
    },
    wait,
  );
  const { boot } = spec;
  if (incoming || boot.from !== 'kernel') return;
  const { kernel, initrd = null, cmdline } = boot;
  await client.request('boot', { kernel, initrd, commandLine: cmdline }, wait);
}

function startFailure(error: unknown, paths: MachinePaths, { request }: MachinePlan): Error {
  const what = `The machine for instance "${request.spec.name}"`;
  if (request.signal.aborted) {
    return vmmErrors.error('machine-cancelled', `${what} was not started: that was cancelled.`, error);
  }
  const said = lastWords(paths);
  const why = said !== '' ? said : reason(error);
  return vmmErrors.error('machine-start-failed', `${what} did not start: ${why}`, error);
}

function memoryBytes({ request }: MachinePlan): bigint {
  return BigInt(request.spec.memoryMiB) * 1024n * 1024n;
}
