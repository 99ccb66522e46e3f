/**
 * The journal's file: an open descriptor into preallocated space, whose writes return once they are on the disk, so that an append costs
 * one call.
 */
import { dirname } from 'node:path';
import { hostAgentErrors } from '../errors.js';
import { removeTemporaries, writeFileAtomic } from '../storage/atomic-file.js';
import type { Disk, DiskFile } from '../storage/disk.js';
import { isSystemError } from '../storage/state-directory.js';
import { parseJournal } from './parse.js';
import { encodeLine } from './record.js';

/** Zeros are written this far ahead, bytes: a sync within them changes no metadata of the file. */
const PREALLOCATE_BYTES = 64 * 1024;

export class JournalFile {
  readonly path: string;
  /** Documents found at opening, header first. */
  readonly documents: readonly unknown[];
  /** True when a crash had torn the last line; it was cut. */
  readonly wasTorn: boolean;
  readonly #handle: DiskFile;
  #end: number;
  #allocated: number;
  #queue: Promise<void> = Promise.resolve();
  #failure: unknown = null;

  private constructor(
    path: string,
    handle: DiskFile,
    parsed: { documents: readonly unknown[]; end: number; torn: boolean },
    allocated: number,
  ) {
    this.path = path;
    this.#handle = handle;
    this.documents = parsed.documents;
    this.wasTorn = parsed.torn;
    this.#end = parsed.end;
    this.#allocated = allocated;
  }

  /** Bytes in use. */
  get length(): number {
    return this.#end;
  }

  /**
   * Opens the file. Where there is none, `begin` says with which documents it is made, or throws. Errors: `journal-damaged`,
   * `journal-write-failed`, and what `begin` throws.
   */
  static async open(path: string, disk: Disk, begin: () => readonly object[]): Promise<JournalFile> {
    let handle: DiskFile;
    try {
      // A compaction that was interrupted, or a first start.
      await removeTemporaries(dirname(path), disk);
      handle = await disk.openSynced(path);
    } catch (thrown) {
      if (!isSystemError(thrown) || thrown.code !== 'ENOENT') throw writeFailed(path, thrown);
      await JournalFile.replace(path, disk, begin());
      handle = await disk.openSynced(path);
    }
    try {
      const bytes = await handle.readAll();
      const parsed = parseJournal(bytes);
      if (parsed.kind === 'damaged') throw damaged(path, `${parsed.reason} (at byte ${parsed.offset})`);
      if (parsed.torn) await handle.truncate(parsed.end);
      // What an agent that was killed in a write has left may be in memory alone, and is acted on from here.
      await handle.sync();
      const file = new JournalFile(path, handle, parsed, parsed.torn ? parsed.end : bytes.length);
      await file.#preallocateQuietly();
      await disk.syncDirectory(dirname(path));
      return file;
    } catch (thrown) {
      await handle.close();
      throw isSystemError(thrown) ? writeFailed(path, thrown) : thrown;
    }
  }

  /** Replaces the file by these documents, atomically. Only while nobody has it open. */
  static async replace(path: string, disk: Disk, documents: readonly object[]): Promise<void> {
    try {
      await writeFileAtomic(path, Buffer.concat(documents.map(encodeLine)), disk);
    } catch (cause) {
      throw writeFailed(path, cause);
    }
  }

  /**
   * Appends one line and resolves once it is synced. After a failure nobody can say what is on the disk, so this and every
   * later append rejects with `journal-write-failed`.
   */
  append(document: object): Promise<void> {
    const appended = this.#queue.then(() => this.#write(encodeLine(document)));
    this.#queue = appended.then(
      () => this.#preallocateQuietly(),
      () => undefined,
    );
    return appended;
  }

  /**
   * Writes a zero where zeros are: a disk that had nothing to do takes several times as long for its next write, and somebody's guest will wait
   * for that. Failing is harmless.
   */
  wakeDisk(): void {
    this.#queue = this.#queue.then(async () => {
      // Behind the last line that can have been appended since.
      const at = this.#allocated - 1;
      if (this.#failure !== null || at <= this.#end) return;
      await this.#handle.write(Buffer.alloc(1), at).catch(() => undefined);
    });
  }

  /** Throws `journal-write-failed` once an append has failed. */
  refuseWhenFailed(): void {
    if (this.#failure !== null) throw writeFailed(this.path, this.#failure);
  }

  /** Waits for appends under way and closes. */
  async close(): Promise<void> {
    await this.#queue;
    await this.#handle.close();
  }

  async #write(line: Buffer): Promise<void> {
    this.refuseWhenFailed();
    try {
      await this.#handle.write(line, this.#end);
      this.#end += line.length;
    } catch (cause) {
      this.#failure = cause;
      throw writeFailed(this.path, cause);
    }
  }

  /** Room ahead is a matter of speed only: without it an append grows the file. */
  async #preallocateQuietly(): Promise<void> {
    await this.#preallocate().catch(() => undefined);
  }

  async #preallocate(): Promise<void> {
    if (this.#allocated - this.#end >= PREALLOCATE_BYTES / 4) return;
    const from = Math.max(this.#allocated, this.#end);
    const zeros = Buffer.alloc(this.#end + PREALLOCATE_BYTES - from);
    await this.#handle.write(zeros, from);
    await this.#handle.sync();
    this.#allocated = from + zeros.length;
  }
}

export function damaged(path: string, reason: string) {
  return hostAgentErrors.error(
    'journal-damaged',
    `The ownership journal ${path} is damaged: ${reason}. Restore it from a copy; do not delete it while guests run, for it alone says which host may run them.`,
  );
}

function writeFailed(path: string, cause: unknown) {
  return hostAgentErrors.error(
    'journal-write-failed',
    `The ownership journal ${path} cannot be written (${cause instanceof Error ? cause.message : String(cause)}); free space or repair the disk, then restart the agent.`,
    cause,
  );
}
