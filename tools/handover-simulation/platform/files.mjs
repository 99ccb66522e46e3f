/** `node:fs/promises` of the code under test: the running process's host's disk, and its `/proc`. */
import { constants } from 'node:fs';
import { dirname } from 'node:path';
import { systemError } from '../simulated-disk.mjs';
import { host, world } from './current.mjs';

export { constants };

/** A call into the kernel that needs no disk, ms. */
const CALL_MS = 0.02;

/** Open files by descriptor, for those who have only that. @type {Map<number, import('../simulated-disk.mjs').SimulatedFile>} */
const opened = new Map();
let nextFd = 1_000_000;

/** @param {number} fd @param {Uint8Array} bytes @param {number} position */
export async function writeSynced(fd, bytes, position) {
  const file = opened.get(fd);
  if (file === undefined) throw systemError('EBADF', 'pwrite', String(fd));
  await file.write(Buffer.from(bytes), position);
}

const call = () => world().scheduler.wait(CALL_MS);

/** @param {string} path @param {string | number} flags */
export async function open(path, flags) {
  const { disk, locks } = host();
  if (flags === 'r') {
    // A directory, to be synced.
    return { sync: () => disk.syncDirectory(path), close: call };
  }
  if (flags === 'a') {
    await call();
    return { fd: locks.open(path, world().scheduler.current), close: async () => locks.close(path) };
  }
  const file =
    flags === 'wx'
      ? await disk.create(path)
      : await disk.open(path, (Number(flags) & constants.O_DSYNC) !== 0);
  const fd = nextFd++;
  opened.set(fd, file);
  return {
    fd,
    readFile: () => file.readAll(),
    /** @param {Uint8Array} bytes @param {number} from @param {number} length @param {number} position */
    async write(bytes, from, length, position) {
      await file.write(bytes.subarray(from, from + length), position);
      return { bytesWritten: length };
    },
    /** @param {number} length */
    truncate: (length) => file.truncate(length),
    sync: () => file.sync(),
    close() {
      opened.delete(fd);
      return file.close();
    },
  };
}

/** @param {string} path */
export async function readFile(path) {
  const { disk, processes } = host();
  await call();
  if (path.startsWith('/proc/')) return processes.commandLine(Number(path.split('/')[2]));
  return disk.inode(path, 'open').data.toString('utf8');
}

/** @param {string} path @param {{ withFileTypes?: boolean }} [options] */
export async function readdir(path, options) {
  const { disk, processes } = host();
  await call();
  if (path === '/proc') return processes.pids().map(String);
  if (!disk.isDirectory(path)) throw systemError('ENOENT', 'scandir', path);
  const names = disk.namesIn(path);
  if (!options?.withFileTypes) return names;
  return names.map((name) => ({ name, isDirectory: () => disk.isDirectory(`${path}/${name}`) }));
}

/** @param {string} path @param {{ recursive?: boolean }} [options] */
export async function mkdir(path, options) {
  const { disk } = host();
  await call();
  if (!options?.recursive) {
    if (disk.isDirectory(path)) throw systemError('EEXIST', 'mkdir', path);
    if (!disk.isDirectory(dirname(path))) throw systemError('ENOENT', 'mkdir', path);
  }
  if (disk.full && !disk.isDirectory(path)) throw systemError('ENOSPC', 'mkdir', path);
  disk.makeDirectory(path);
}

/** @param {string} from @param {string} to */
export async function rename(from, to) {
  await host().disk.rename(from, to);
}

/** @param {string} path */
export async function unlink(path) {
  await host().disk.remove(path);
}

/** @param {string} path @param {{ recursive?: boolean, force?: boolean }} [options] */
export async function rm(path, options) {
  const { disk } = host();
  await call();
  if (disk.isDirectory(path)) return disk.removeTree(path);
  if (disk.has(path)) return disk.remove(path);
  if (!options?.force) throw systemError('ENOENT', 'rm', path);
}

/** @param {string} path */
export async function rmdir(path) {
  const { disk } = host();
  await call();
  if (disk.namesIn(path).length > 0) throw systemError('ENOTEMPTY', 'rmdir', path);
  disk.removeTree(path);
}

/** @param {string} path */
export async function access(path) {
  const { disk } = host();
  await call();
  if (!disk.isDirectory(path) && !disk.has(path)) throw systemError('ENOENT', 'access', path);
}
