import { readFile } from 'node:fs/promises';
import { release as kernelRelease } from 'node:os';
import { type KvmProbe, native, shimLibraryPath, type TrackingProbe } from '@drover/native';
import { createQemuDriver, type DriverProbe } from '@drover/vmm';
import { pino } from 'pino';

/** What the checks look at, gathered once, so that every check is a pure function. Sizes in KiB, as the kernel gives them. */
export interface HostFacts {
  readonly kernel: string;
  /** Null where the addon does not load; `addonProblem` then says why. */
  readonly tracking: TrackingProbe | null;
  readonly kvm: KvmProbe | null;
  readonly addonProblem: string | null;
  readonly qemu: DriverProbe;
  readonly shimLibrary: string | null;
  readonly memoryTotalKiB: number | null;
  readonly memoryAvailableKiB: number | null;
  /** Word in brackets of the kernel's `shmem_enabled`; null where the kernel has no such file. */
  readonly sharedHugePages: string | null;
  readonly runDirectory: string;
  /** Bytes of the longest socket path that the driver makes below the run directory. */
  readonly longestSocketPath: number;
}

/** What the agent keeps free below its run directory for one short directory a VMM and the sockets in it, bytes. */
const ROOM_BELOW_RUN_DIRECTORY = 40;

export async function gatherHostFacts(options: {
  readonly runDirectory: string;
  readonly qemuBinary: string | undefined;
}): Promise<HostFacts> {
  const { runDirectory, qemuBinary } = options;
  const addon = probeAddon();
  const logger = pino({ level: 'silent' });
  const driver = createQemuDriver({ logger, ...(qemuBinary === undefined ? {} : { qemuBinary }) });
  const [qemu, meminfo, shmem] = await Promise.all([
    driver.probe(),
    readOrNull('/proc/meminfo'),
    readOrNull('/sys/kernel/mm/transparent_hugepage/shmem_enabled'),
  ]);
  return {
    ...addon,
    kernel: kernelRelease(),
    qemu,
    shimLibrary: shimLibraryPath(),
    memoryTotalKiB: meminfoField(meminfo, 'MemTotal'),
    memoryAvailableKiB: meminfoField(meminfo, 'MemAvailable'),
    sharedHugePages: shmem?.match(/\[(\w+)\]/)?.[1] ?? null,
    runDirectory,
    longestSocketPath: Buffer.byteLength(runDirectory) + ROOM_BELOW_RUN_DIRECTORY,
  };
}

function probeAddon(): Pick<HostFacts, 'tracking' | 'kvm' | 'addonProblem'> {
  try {
    const addon = native();
    return { tracking: addon.probeTracking(), kvm: addon.probeKvm(), addonProblem: null };
  } catch (thrown) {
    const problem = thrown instanceof Error ? thrown.message : String(thrown);
    return { tracking: null, kvm: null, addonProblem: problem };
  }
}

async function readOrNull(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}

function meminfoField(text: string | null, name: string): number | null {
  const match = text?.match(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm'));
  return match?.[1] === undefined ? null : Number(match[1]);
}
