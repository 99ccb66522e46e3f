import {
  type AnyControlChannel,
  connectControl,
  exchangeHellos,
  type PeerHello,
  type PeerSide,
  type PeerVersion,
} from '@drover/protocol';
import type { SourceDeadlines } from './deadlines.js';
import type { PeerAddress } from './migration.js';

/** What the source says of itself, and the versions of the peer protocol in which it may say it. */
export interface SourceSide extends Omit<PeerSide, 'deviceStates'> {
  /** As `selectPeerVersions` gives them; default: all of this release. */
  readonly peerVersions?: readonly PeerVersion[] | undefined;
}

/** A control connection on which both sides have said hello. */
export interface OpenControl {
  readonly channel: AnyControlChannel;
  readonly theirs: PeerHello;
}

/** Connects to a destination and exchanges hellos. On failure nothing stays open. */
export async function openControl(
  peer: PeerAddress,
  { release, hostName, capabilities, peerVersions }: SourceSide,
  deadlines: Pick<SourceDeadlines, 'connectMs' | 'helloMs'>,
  signal: AbortSignal,
): Promise<OpenControl> {
  const channel = await connectControl({
    host: peer.host,
    port: peer.port,
    timeoutMs: deadlines.connectMs,
    signal,
    versions: peerVersions,
  });
  try {
    // A source loads no device state, so it has none to list.
    const us = { release, hostName, capabilities };
    return { channel, theirs: await exchangeHellos(channel, us, { timeoutMs: deadlines.helloMs, signal }) };
  } catch (thrown) {
    channel.close();
    throw thrown;
  }
}
