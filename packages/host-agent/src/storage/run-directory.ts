/**
 * The run directory: one short private directory for each VMM and each outgoing migration, for their unix sockets. Nothing
 * in it is needed after a reboot.
 */
import { access, constants, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hostAgentErrors } from '../errors.js';

/** Longest path of a unix socket, bytes: `sun_path` of <sys/un.h> holds 108 with its terminator. */
const SOCKET_PATH_BYTES = 107;
/** Room for "/", a directory name of {@link NAME_LENGTH}, "/", and the longest socket name within. */
const ROOM_BYTES = 40;
const NAME_LENGTH = 13;

export class RunDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Errors: `run-directory-too-long`, `run-directory-unusable`. */
  static async open(path: string): Promise<RunDirectory> {
    const bytes = Buffer.byteLength(path);
    if (bytes > SOCKET_PATH_BYTES - ROOM_BYTES) {
      throw hostAgentErrors.error(
        'run-directory-too-long',
        `The run directory ${path} is ${bytes} bytes long and unix socket paths end at ${SOCKET_PATH_BYTES}; choose one of at most ${SOCKET_PATH_BYTES - ROOM_BYTES} bytes.`,
      );
    }
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
      await access(path, constants.W_OK | constants.X_OK);
    } catch (cause) {
      throw hostAgentErrors.error(
        'run-directory-unusable',
        `The run directory ${path} cannot be used (${cause instanceof Error ? cause.message : String(cause)}); make it a directory that this user may write.`,
        cause,
      );
    }
    return new RunDirectory(path);
  }

  /** The directory of one VMM; its driver makes and removes it. */
  vmm(vmmId: string): string {
    return join(this.path, `v${shortId(vmmId)}`);
  }

  /** The directory of one outgoing migration. */
  migration(migrationId: string): string {
    return join(this.path, `m${shortId(migrationId)}`);
  }
}

/** The first 12 hex digits of a UUID: enough for one host. */
function shortId(uuid: string): string {
  return uuid.replaceAll('-', '').slice(0, NAME_LENGTH - 1);
}
