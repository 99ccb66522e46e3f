/**
 * The run directory: one short private directory for each VMM and each outgoing migration, for their unix sockets. Nothing
 * in it is needed after a reboot.
 *
 * `<run>/<host>/v<vmm>/…` and `<run>/<host>/m<migration>/…`, each id shortened. The host's own level keeps agents with different
 * state directories from taking each other's VMMs for leftovers.
 */
import { access, constants, mkdir, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hostAgentErrors } from '../errors.js';

/** Longest path of a unix socket, bytes: `sun_path` of <sys/un.h> holds 108 with its terminator. */
const SOCKET_PATH_BYTES = 107;
const HOST_DIGITS = 8;
const ID_DIGITS = 12;
/** Longest name of a socket within, bytes. */
const SOCKET_NAME_BYTES = 24;
/** What comes after the run directory: "/", host, "/", a letter and an id, "/", socket. */
const ROOM_BYTES = 1 + HOST_DIGITS + 1 + 1 + ID_DIGITS + 1 + SOCKET_NAME_BYTES;
const NAME = /^[vm][0-9a-f]{12}$/;

export class RunDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Errors: `run-directory-too-long`, `run-directory-unusable`. */
  static async open(run: string, hostId: string): Promise<RunDirectory> {
    const bytes = Buffer.byteLength(run);
    const path = join(run, shortId(hostId, HOST_DIGITS));
    if (bytes > SOCKET_PATH_BYTES - ROOM_BYTES) {
      throw hostAgentErrors.error(
        'run-directory-too-long',
        `The run directory ${run} is ${bytes} bytes long and unix socket paths end at ${SOCKET_PATH_BYTES}; choose one of at most ${SOCKET_PATH_BYTES - ROOM_BYTES} bytes.`,
      );
    }
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
      await access(path, constants.W_OK | constants.X_OK);
    } catch (cause) {
      throw hostAgentErrors.error(
        'run-directory-unusable',
        `The run directory ${run} cannot be used (${cause instanceof Error ? cause.message : String(cause)}); make it a directory that this user may write.`,
        cause,
      );
    }
    return new RunDirectory(path);
  }

  /** The directory of one VMM; its driver makes and removes it. */
  vmm(vmmId: string): string {
    return join(this.path, `v${shortId(vmmId, ID_DIGITS)}`);
  }

  /** The directory of one outgoing migration. */
  migration(migrationId: string): string {
    return join(this.path, `m${shortId(migrationId, ID_DIGITS)}`);
  }

  /** Leaves no empty directory behind; with a VMM in it, it stays. */
  async close(): Promise<void> {
    await rmdir(this.path).catch(() => undefined);
  }

  /** Every directory of either kind that is there. */
  async list(): Promise<string[]> {
    const entries = await readdir(this.path, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && NAME.test(entry.name))
      .map(({ name }) => join(this.path, name));
  }
}

/** The first hex digits of a UUID: enough to tell those of one host apart. */
function shortId(uuid: string, digits: number): string {
  return uuid.replaceAll('-', '').slice(0, digits);
}
