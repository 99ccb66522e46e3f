/** The files of one VMM. All but the console log live in its private directory and go with it. */
import { join } from 'node:path';
import { vmmErrors } from '../errors.js';

export interface VmmPaths {
  readonly directory: string;
  readonly monitor: string;
  readonly console: string;
  readonly shim: string;
  readonly state: string;
  /** What QEMU writes to its standard output and error. */
  readonly processLog: string;
}

/** `sun_path` of unix(7) holds 108 bytes with the final zero. */
const SOCKET_PATH_BYTES = 107;

/** The file of a `blob-storage` component. */
export function blobPath(paths: VmmPaths, id: string): string {
  return join(paths.directory, `blob-${id}.img`);
}

/** Throws `vmm-directory-too-long` where a socket of the VMM would not fit. */
export function vmmPaths(directory: string): VmmPaths {
  const paths = {
    directory,
    monitor: join(directory, 'qmp.sock'),
    console: join(directory, 'console.sock'),
    shim: join(directory, 'shim.sock'),
    state: join(directory, 'state.sock'),
    processLog: join(directory, 'qemu.log'),
  };
  const longest = Buffer.byteLength(paths.console);
  if (longest > SOCKET_PATH_BYTES) {
    throw vmmErrors.error(
      'vmm-directory-too-long',
      `The VMM directory ${directory} is ${longest - SOCKET_PATH_BYTES} bytes too long: its sockets' paths may have ${SOCKET_PATH_BYTES} bytes. Use a shorter run directory.`,
    );
  }
  return paths;
}
