/** Guest memory of a VMM, as seen from the agent: a memfd that both hold. */
import { closeSync, fstatSync, openSync, readlinkSync } from 'node:fs';
import { type GuestMemory, native } from '@drover/native';
import { vmmErrors } from '../errors.js';

/** All of a guest's memory is one region, by this name. */
export const REGION_ID = 'ram0';
const MIB = 1024n * 1024n;

/** Makes the memfd of a new VMM; the caller closes it by `native().closeFd`. The name shows in /proc/PID/maps. */
export function createRegion(vmmId: string, memoryMiB: number): number {
  return native().createMemfd(`drover-${REGION_ID}-${vmmId}`, BigInt(memoryMiB) * MIB);
}

/** Opens guest memory over a descriptor, which the core duplicates. */
export function openRegion(fd: number, sizeBytes: bigint): GuestMemory {
  return native().openMemory([{ id: REGION_ID, fd, offset: 0n, sizeBytes }]);
}

/** Opens the memory of a running VMM through its own descriptor. Throws `vmm-not-adoptable`. */
export function openRegionOf(pid: number, vmmFd: number, sizeBytes: bigint): GuestMemory {
  const path = `/proc/${pid}/fd/${vmmFd}`;
  let fd: number;
  try {
    const target = readlinkSync(path);
    if (!target.startsWith('/memfd:')) throw new Error(`it is ${target}`);
    fd = openSync(path, 'r+');
  } catch (cause) {
    throw notAdoptable(pid, vmmFd, cause instanceof Error ? cause.message : String(cause), cause);
  }
  try {
    const { size } = fstatSync(fd, { bigint: true });
    if (size !== sizeBytes) throw notAdoptable(pid, vmmFd, `it has ${size} bytes instead of ${sizeBytes}`);
    return openRegion(fd, sizeBytes);
  } finally {
    closeSync(fd);
  }
}

function notAdoptable(pid: number, vmmFd: number, what: string, cause?: unknown): Error {
  return vmmErrors.error(
    'vmm-not-adoptable',
    `Descriptor ${vmmFd} of process ${pid} is not the guest memory that was recorded: ${what}. The process was left as it is.`,
    cause,
  );
}
