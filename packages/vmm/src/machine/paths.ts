/** The files of one machine. All but the console log live in its private directory and go with it. */
import { join } from 'node:path';
import { vmmErrors } from '../errors.js';

export interface MachinePaths {
  readonly directory: string;
  readonly socket: string;
  readonly console: string;
  readonly state: string;
  /** What the process writes to its standard output and error. */
  readonly processLog: string;
}

/** `sun_path` of unix(7) holds 108 bytes with the final zero. */
const SOCKET_PATH_BYTES = 107;

/** Throws `vmm-directory-too-long` where a socket of the machine would not fit. */
export function machinePaths(directory: string): MachinePaths {
  const paths = {
    directory,
    socket: join(directory, 'machine.sock'),
    console: join(directory, 'console.sock'),
    state: join(directory, 'state.sock'),
    processLog: join(directory, 'machine.log'),
  };
  const over = Buffer.byteLength(paths.console) - SOCKET_PATH_BYTES;
  if (over > 0) {
    throw vmmErrors.error(
      'vmm-directory-too-long',
      `The VMM directory ${directory} is ${over} bytes too long: its sockets' paths may have ${SOCKET_PATH_BYTES} bytes. Use a shorter run directory.`,
    );
  }
  return paths;
}
