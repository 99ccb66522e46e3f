/** The shim protocol, frozen: SPEC.md beside this file. Its two ends are C and C++, which `npm run lint` holds to these numbers. */

/** "U", with a userfaultfd beside it; every other byte is the `errno` of the attempt. */
export const SHIM_SUCCESS = 0x55;
/** The variable that tells the shim where to listen. */
export const SHIM_SOCKET_VARIABLE = 'DROVER_SHIM_SOCKET';
/** Longest path of its socket, bytes: what a unix socket address holds with its final zero. */
export const SHIM_SOCKET_PATH_BYTES = 107;
