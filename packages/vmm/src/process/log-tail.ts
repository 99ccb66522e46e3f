/** What a VMM wrote to its standard output and error. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const TAIL_BYTES = 16 * 1024;

/** The end of the log, at most 16 KiB; empty when there is none. Synchronous: it is read while a failure is being told. */
export function readTail(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(fd);
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const got = readSync(fd, tail, 0, tail.length, size - tail.length);
    return tail.subarray(0, got).toString('utf8');
  } catch {
    return '';
  } finally {
    closeSync(fd);
  }
}
