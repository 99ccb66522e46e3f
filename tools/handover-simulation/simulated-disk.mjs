/**
 * A file system in memory that knows what a disk without power keeps: bytes that were synced, names whose directory was synced, and of
 * everything else any part. It is what `packages/host-agent/src/storage/disk.ts` asks for, and a little more.
 *
 * | | survives a killed process | survives a loss of power |
 * | --- | --- | --- |
 * | a write that was called | yes | each of its sectors, or not |
 * | a write that was synced | yes | yes |
 * | a name made, renamed or removed | yes | the first so many of them in the order they came, at least those before the last sync of their directory |
 */
import { basename, dirname } from 'node:path';

/** The smallest piece that a disk writes whole, bytes. */
const SECTOR_BYTES = 512;

/**
 * @typedef {{ data: Buffer, durable: Buffer }} Inode  what processes see, and what a loss of power leaves for certain
 * @typedef {object} DiskSettings
 * @property {(below: number) => number} choose  a whole number from 0 up to, not including, `below`
 * @property {(what: string) => Promise<void>} step  called before every operation and before its answer; a crash is one that never resolves
 */

export class SimulatedDisk {
  /** Nothing that makes a file longer is taken while this is true. */
  full = false;
  /** Called once, in the middle of the next write to a file of that name. @type {{ name: string, call: () => void } | null} */
  atNextWrite = null;
  /** Called when a write to the file of that path has become durable; the bytes are no loss of power's any more. @type {((path: string) => void) | null} */
  onDurable = null;
  /** @type {Map<string, Inode>} */
  #names = new Map();
  /** @type {Map<string, Inode>} */
  #durableNames = new Map();
  /** Changes of names that a loss of power may forget, oldest first. @type {{ directory: string, apply: () => void }[]} */
  #unsynced = [];
  /** @type {Set<string>} */
  #directories = new Set(['/']);
  #settings;

  /** @param {DiskSettings} settings */
  constructor(settings) {
    this.#settings = settings;
  }

  /** @param {string} path */
  openSynced(path) {
    return this.open(path, true);
  }

  /** @param {string} path @param {boolean} synced whether its writes are on the disk when they resolve */
  async open(path, synced) {
    await this.#settings.step(`open ${path}`);
    return new SimulatedFile(this, path, this.inode(path, 'open'), synced, this.#settings);
  }

  /** @param {string} path */
  async create(path) {
    await this.#settings.step(`create ${path}`);
    if (this.#names.has(path)) throw systemError('EEXIST', 'open', path);
    if (!this.#directories.has(dirname(path))) throw systemError('ENOENT', 'open', path);
    if (this.full) throw systemError('ENOSPC', 'open', path);
    const inode = { data: Buffer.alloc(0), durable: Buffer.alloc(0) };
    this.#change(dirname(path), (names) => names.set(path, inode));
    await this.#settings.step(`created ${path}`);
    return new SimulatedFile(this, path, inode, false, this.#settings);
  }

  /** @param {string} from @param {string} to */
  async rename(from, to) {
    await this.#settings.step(`rename ${from} to ${to}`);
    const inode = this.inode(from, 'rename');
    this.#change(dirname(to), (names) => {
      names.delete(from);
      names.set(to, inode);
    });
    await this.#settings.step(`renamed ${from} to ${to}`);
  }

  /** @param {string} path */
  async remove(path) {
    await this.#settings.step(`remove ${path}`);
    this.inode(path, 'unlink');
    this.#change(dirname(path), (names) => names.delete(path));
    await this.#settings.step(`removed ${path}`);
  }

  /** @param {string} directory */
  async list(directory) {
    await this.#settings.step(`list ${directory}`);
    if (!this.#directories.has(directory)) throw systemError('ENOENT', 'scandir', directory);
    return this.namesIn(directory);
  }

  /** @param {string} directory */
  async syncDirectory(directory) {
    await this.#settings.step(`sync directory ${directory}`);
    // As a journalling file system does: what came before in any directory is committed with it.
    const last = this.#unsynced.findLastIndex((change) => change.directory === directory);
    for (const { apply } of this.#unsynced.splice(0, last + 1)) apply();
    await this.#settings.step(`synced directory ${directory}`);
  }

  /** At once, and durable: directories are made when a host is set up. @param {string} path */
  makeDirectory(path) {
    for (let each = path; !this.#directories.has(each); each = dirname(each)) this.#directories.add(each);
  }

  /** At once: a directory with all that is in it. @param {string} path */
  removeTree(path) {
    for (const name of [...this.#names.keys()]) {
      if (name.startsWith(`${path}/`)) this.#change(dirname(name), (names) => names.delete(name));
    }
    for (const each of [...this.#directories]) {
      if (each === path || each.startsWith(`${path}/`)) this.#directories.delete(each);
    }
  }

  /** @param {string} path */
  isDirectory(path) {
    return this.#directories.has(path);
  }

  /** @param {string} path */
  has(path) {
    return this.#names.has(path);
  }

  /** @param {string} directory @returns {string[]} */
  namesIn(directory) {
    return [...this.#names.keys(), ...this.#directories]
      .filter((path) => path !== directory && dirname(path) === directory)
      .map((path) => basename(path))
      .toSorted();
  }

  /** @param {string} path @param {string} call @returns {Inode} */
  inode(path, call) {
    const inode = this.#names.get(path);
    if (inode) return inode;
    throw systemError(this.#directories.has(path) ? 'EISDIR' : 'ENOENT', call, path);
  }

  /** What a loss of power at this moment leaves of a file for certain; null where that may be nothing. @param {string} path */
  durable(path) {
    return this.#durableNames.get(path)?.durable ?? null;
  }

  /** Takes the power away and gives it back. */
  losePower() {
    const { choose } = this.#settings;
    const kept = choose(this.#unsynced.length + 1);
    for (const { apply } of this.#unsynced.splice(0).slice(0, kept)) apply();
    this.#names = new Map(this.#durableNames);
    for (const inode of new Set(this.#names.values())) {
      inode.data = mixture(inode, choose);
      inode.durable = Buffer.from(inode.data);
    }
  }

  /** @param {string} directory @param {(names: Map<string, Inode>) => void} change */
  #change(directory, change) {
    change(this.#names);
    this.#unsynced.push({ directory, apply: () => change(this.#durableNames) });
  }
}

/** An open file, as `DiskFile` of `packages/host-agent/src/storage/disk.ts`. */
export class SimulatedFile {
  #disk;
  #path;
  #inode;
  #synced;
  #settings;

  /** @param {SimulatedDisk} disk @param {string} path @param {Inode} inode @param {boolean} synced @param {DiskSettings} settings */
  constructor(disk, path, inode, synced, settings) {
    this.#disk = disk;
    this.#path = path;
    this.#inode = inode;
    this.#synced = synced;
    this.#settings = settings;
  }

  async readAll() {
    await this.#settings.step(`read ${this.#path}`);
    return Buffer.from(this.#inode.data);
  }

  /** @param {Uint8Array} bytes @param {number} position */
  async write(bytes, position) {
    const inode = this.#inode;
    await this.#settings.step(`write ${this.#path}`);
    const end = position + bytes.length;
    if (this.#disk.full && end > inode.data.length) {
      const room = Math.max(0, inode.data.length - position);
      Buffer.from(bytes).copy(inode.data, position, 0, this.#settings.choose(room + 1));
      throw systemError('ENOSPC', 'write', this.#path);
    }
    inode.data = grown(inode.data, end);
    inode.data.set(bytes, position);
    const { atNextWrite } = this.#disk;
    if (atNextWrite && basename(this.#path) === atNextWrite.name) {
      this.#disk.atNextWrite = null;
      atNextWrite.call();
    }
    await this.#settings.step(`wrote ${this.#path}`);
    if (!this.#synced) return;
    inode.durable = grown(inode.durable, end);
    inode.durable.set(bytes, position);
    this.#disk.onDurable?.(this.#path);
  }

  /** @param {number} length */
  async truncate(length) {
    await this.#settings.step(`truncate ${this.#path}`);
    this.#inode.data = Buffer.from(this.#inode.data.subarray(0, length));
    await this.#settings.step(`truncated ${this.#path}`);
  }

  async sync() {
    await this.#settings.step(`sync ${this.#path}`);
    this.#inode.durable = Buffer.from(this.#inode.data);
    await this.#settings.step(`synced ${this.#path}`);
  }

  async close() {}
}

/**
 * What may be on the disk: of every sector the old or the new bytes, and one of the two lengths.
 * @param {Inode} inode @param {(below: number) => number} choose
 */
function mixture({ data, durable }, choose) {
  if (data.equals(durable)) return Buffer.from(data);
  const length = choose(2) === 0 ? durable.length : data.length;
  const mixed = grown(durable, Math.max(length, durable.length));
  for (let at = 0; at < data.length; at += SECTOR_BYTES) {
    const sector = data.subarray(at, at + SECTOR_BYTES);
    if (choose(2) === 1) sector.copy(mixed, at, 0, Math.max(0, Math.min(sector.length, mixed.length - at)));
  }
  return Buffer.from(mixed.subarray(0, length));
}

/** @param {Buffer} bytes @param {number} length */
function grown(bytes, length) {
  if (bytes.length >= length) return Buffer.from(bytes);
  return Buffer.concat([bytes, Buffer.alloc(length - bytes.length)]);
}

/** As Node makes them. @param {string} code @param {string} syscall @param {string} path */
export function systemError(code, syscall, path) {
  return Object.assign(new Error(`${code}: simulated, ${syscall} '${path}'`), { code, syscall, path });
}
