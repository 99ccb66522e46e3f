/** Listens for peers and hands every connection to whom its first bytes name. */
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { native, type PeerListener } from '@drover/native';
import { decodePreamble } from '@drover/protocol';
import type { Logger } from 'pino';
import { hostAgentErrors } from '../errors.js';
import type { BulkRoutes } from './bulk-routes.js';

/** Connections inside their handshake at once. */
const MAX_PENDING = 64;

export interface PeerServerOptions {
  readonly host: string;
  readonly port: number;
  readonly handshakeTimeoutMs: number;
  readonly bulkRoutes: BulkRoutes;
  /** Takes a control connection over, with its 16-byte preamble; rejects when it came to nothing. */
  readonly acceptControl: (socket: Socket, preamble: Uint8Array) => Promise<void>;
  readonly logger: Logger;
}

/** Errors: `listen-address-in-use`, `listen-failed`. */
export function listenForPeers(options: PeerServerOptions): PeerListener {
  const { host, port, handshakeTimeoutMs } = options;
  try {
    return native().listenForPeers({
      host,
      port,
      handshakeTimeoutMs,
      maxPending: MAX_PENDING,
      onConnection: (fd, preamble, hello) => route(options, fd, preamble, hello),
    });
  } catch (thrown) {
    throw listenError('peers', host, port, thrown);
  }
}

function route(
  { bulkRoutes, acceptControl, logger }: PeerServerOptions,
  fd: number,
  preamble: Uint8Array,
  hello: Uint8Array | null,
): void {
  const decoded = decodePreamble(preamble);
  const role = decoded.ok ? decoded.value.role : null;
  if (role === 'control') {
    const socket = new Socket({ fd, readable: true, writable: true });
    // Whoever reads the socket reports its errors; without any listener one would end the process.
    socket.on('error', () => undefined);
    socket.setNoDelay(true);
    acceptControl(socket, preamble).catch((err: unknown) => {
      logger.warn({ err }, 'a control connection ended badly');
      socket.destroy();
    });
    return;
  }
  const receiver = role === 'bulk' && hello !== null ? bulkRoutes.find(hello) : null;
  try {
    if (receiver === null || hello === null) {
      logger.warn({ role }, 'closed a peer connection that belongs to no migration here');
      native().closeFd(fd);
    } else receiver.addChannel(fd, hello);
  } catch (err) {
    logger.warn({ err }, 'a bulk connection was refused');
  }
}

/** One sentence for a listener that could not be had; `cause` is Node's or the addon's. */
export function listenError(what: string, host: string, port: number, cause: unknown) {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const message = cause instanceof Error ? cause.message : String(cause);
  const errno = cause instanceof Error && 'errno' in cause ? cause.errno : undefined;
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  if (code === 'EADDRINUSE' || errno === constants.errno.EADDRINUSE) {
    return hostAgentErrors.error(
      'listen-address-in-use',
      `The agent cannot listen for ${what} on ${address}: another process does; stop it or choose another port.`,
      cause,
    );
  }
  return hostAgentErrors.error(
    'listen-failed',
    `The agent cannot listen for ${what} on ${address} (${message}); choose an address that this host has and a port that it may use.`,
    cause,
  );
}
