import type { Duplex } from 'node:stream';
import type { DroverError } from '@drover/types';
import { protocolErrors } from '../errors.js';
import { closeGently } from './closing.js';
import {
  type AnyControlChannel,
  type ControlChannelSettings,
  openControlChannel,
} from './control-channel.js';
import { decodePreamble, encodePreamble } from './preamble.js';
import { PEER_VERSIONS, type PeerVersion } from './registry.js';
import { agreeVersion, windowOf } from './version.js';

export interface AcceptControlOptions extends ControlChannelSettings {
  /** A connection whose first bytes were already read. */
  readonly socket: Duplex;
  /** Those bytes: the initiator's preamble. */
  readonly preamble: Uint8Array;
  /** What this side offers, as `selectPeerVersions` gives it; default: all that this release speaks. */
  readonly versions?: readonly PeerVersion[] | undefined;
}

/** A refusal is expected now and then, so it is a result. The socket is then already on its way out. */
export type AcceptControlResult =
  | { readonly ok: true; readonly channel: AnyControlChannel }
  | { readonly ok: false; readonly error: DroverError };

/**
 * Takes a control connection as its responder and answers with our preamble. Where no version is common it answers all the same, so
 * that the initiator can name both windows, and closes (R7). Never throws.
 *
 * Refusals: `peer-version-unknown`, `peer-violation` (closed without an answer).
 */
export function acceptControl(options: AcceptControlOptions): AcceptControlResult {
  const { socket, versions = PEER_VERSIONS } = options;
  const preamble = decodePreamble(options.preamble);
  if (!preamble.ok || preamble.value.role !== 'control') {
    socket.on('error', () => undefined).destroy();
    const why = preamble.ok
      ? `preamble.role is ${preamble.value.role} on a control connection`
      : `${preamble.error.path} ${preamble.error.message}`;
    return {
      ok: false,
      error: protocolErrors.error('peer-violation', `The peer broke the peer protocol: ${why}.`),
    };
  }
  socket.write(encodePreamble({ ...windowOf(versions), role: 'control' }), () => undefined);
  const agreement = agreeVersion(versions, preamble.value);
  if (!agreement.ok) {
    closeGently(socket);
    return { ok: false, error: protocolErrors.error(agreement.code, agreement.message) };
  }
  const { version } = agreement;
  return { ok: true, channel: openControlChannel({ ...options, stream: socket, version }) };
}
