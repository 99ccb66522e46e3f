/**
 * What the journal and atomic files ask of a file system: each call is one step that a crash may come before or after, so that tests can put
 * one between any two of them and decide what a disk without power keeps.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, rename, unlink } from 'node:fs/promises';
import { native } from '@drover/native';

export interface Disk {
  /** Opens a file that is there, for reading and for writes that are on the disk when they resolve (as by fdatasync). */
  openSynced(path: string): Promise<DiskFile>;
  /** Makes a file that is not there yet, mode 0600. Its writes are on the disk after {@link DiskFile.sync}. */
  create(path: string): Promise<DiskFile>;
  /** Replaces `to`. Durable after {@link syncDirectory}, as are {@link create} and {@link remove}. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Names in a directory. */
  list(directory: string): Promise<string[]>;
  syncDirectory(directory: string): Promise<void>;
}

export interface DiskFile {
  readAll(): Promise<Buffer>;
  /** Writes all of `bytes`, or rejects. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** Contents, length and all else. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The file system of this machine. */
export const nodeDisk: Disk = {
  openSynced: async (path) => new SyncedFile(await open(path, constants.O_RDWR | constants.O_DSYNC)),
  create: async (path) => new NodeFile(await open(path, 'wx', 0o600)),
  rename,
  remove: unlink,
  list: (directory) => readdir(directory),
  async syncDirectory(directory) {
    const handle = await open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

class NodeFile implements DiskFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  get fd(): number {
    return this.#handle.fd;
  }

  readAll(): Promise<Buffer> {
    return this.#handle.readFile();
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    // A disk that fills up takes a part of a write and calls that a success; the error comes with the rest.
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length);
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Whoever waits for one of its writes may have a guest waiting in turn. */
class SyncedFile extends NodeFile {
  override write(bytes: Uint8Array, position: number): Promise<void> {
    return native().writeSynced(this.fd, bytes, position);
  }
}
