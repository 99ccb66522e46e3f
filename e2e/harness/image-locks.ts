/**
 * Which processes hold a disk image open for writing, by QEMU's own locks: byte 100 + n of the image is locked while permission n is in use, and
 * writing is permission 1 (block/file-posix.c and include/block/block-common.h of QEMU).
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';

const WRITE_BYTE = 100 + 1;

/** How many of `pids` may write to the image now. */
export function writers(image: string, pids: readonly number[]): number[] {
  const { ino } = statSync(image);
  return pids.filter((pid) => descriptors(pid).some((fd) => locksWriting(pid, fd, ino)));
}

function descriptors(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fdinfo`);
  } catch {
    // The process has ended, and its locks with it.
    return [];
  }
}

function locksWriting(pid: number, fd: string, inode: number): boolean {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
  } catch {
    return false;
  }
  // lock:   1: OFDLCK ADVISORY  READ -1 fe:00:1234 101 101
  return [...text.matchAll(/^lock:\s+\d+: OFDLCK\s+\S+\s+\S+\s+-?\d+ \S+:(\d+) (\d+) (\d+|EOF)$/gm)].some(
    ([, ino, from, to]) =>
      Number(ino) === inode && Number(from) <= WRITE_BYTE && (to === 'EOF' || Number(to) >= WRITE_BYTE),
  );
}
