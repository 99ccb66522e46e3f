import { connect, type Socket } from 'node:net';
import { type DroverError, formatDuration } from '@drover/types';
import { formatHostPort } from '../address.js';
import { protocolErrors } from '../errors.js';
import {
  type AnyControlChannel,
  type ControlChannelSettings,
  openControlChannel,
} from './control-channel.js';
import { decodePreamble, encodePreamble } from './preamble.js';
import { readExactly } from './read-exactly.js';
import { PEER_VERSIONS, PeerLimits, type PeerVersion } from './registry.js';
import { agreeVersion, windowOf } from './version.js';

export interface ConnectControlOptions extends ControlChannelSettings {
  readonly host: string;
  readonly port: number;
  /** For the connection and the preambles together, ms. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** What this side offers, as `selectPeerVersions` gives it; default: all that this release speaks. */
  readonly versions?: readonly PeerVersion[] | undefined;
}

/**
 * Opens a control connection as its initiator: connects, sends our preamble, reads the peer's, agrees on a version.
 *
 * Errors: `peer-unreachable`, `peer-closed`, `peer-violation` (no Drover peer answers there), `peer-version-unknown` (names both windows;
 * nothing was created, R7), or the signal's reason. Nothing of the connection is left after an error.
 */
export async function connectControl(options: ConnectControlOptions): Promise<AnyControlChannel> {
  const { host, port, timeoutMs, signal, versions = PEER_VERSIONS } = options;
  const address = formatHostPort({ host, port });
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(unreachable(address, timeoutMs)), timeoutMs);
  const until = signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal;
  let socket: Socket | null = null;
  try {
    until.throwIfAborted();
    socket = connect({ host, port, noDelay: true, keepAlive: true });
    // Stays for the socket's life: between two waits an error would otherwise have no listener and end the process.
    socket.on('error', () => undefined);
    await connected(socket, address, until);
    socket.write(encodePreamble({ ...windowOf(versions), role: 'control' }));
    const version = agree(await readExactly(socket, PeerLimits.preambleBytes, until), versions, address);
    return openControlChannel({ ...options, stream: socket, version });
  } catch (thrown) {
    socket?.destroy();
    throw thrown;
  } finally {
    clearTimeout(timer);
  }
}

function agree(answer: Uint8Array, versions: readonly PeerVersion[], address: string): PeerVersion {
  const preamble = decodePreamble(answer);
  if (!preamble.ok) {
    const { path, message } = preamble.error;
    throw protocolErrors.error(
      'peer-violation',
      `What answers at ${address} is no Drover peer that this release knows: ${path} ${message}.`,
    );
  }
  if (preamble.value.role !== 'control') {
    const message = `The peer at ${address} answered with the role ${preamble.value.role} on a control connection.`;
    throw protocolErrors.error('peer-violation', message);
  }
  const agreement = agreeVersion(versions, preamble.value);
  if (!agreement.ok) throw protocolErrors.error(agreement.code, agreement.message);
  return agreement.version;
}

function connected(socket: Socket, address: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void) => {
      socket.off('connect', onConnect);
      socket.off('error', onError);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onConnect = () => finish(resolve);
    const onError = (error: Error) =>
      finish(() =>
        reject(
          protocolErrors.error(
            'peer-unreachable',
            `No connection to the peer at ${address}: ${reasonOf(error)}.`,
            error,
          ),
        ),
      );
    const onAbort = () => finish(() => reject(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', onConnect);
    socket.once('error', onError);
  });
}

/** With several addresses for one name, Node reports a group whose own message is empty. */
function reasonOf(error: Error): string {
  if (!(error instanceof AggregateError)) return error.message;
  return error.errors.map((each) => (each instanceof Error ? each.message : String(each))).join('; ');
}

function unreachable(address: string, timeoutMs: number): DroverError {
  return protocolErrors.error(
    'peer-unreachable',
    `The peer at ${address} did not answer within ${formatDuration(timeoutMs)}.`,
  );
}
