import {
  type AnyControlChannel,
  type ControlChannelSettings,
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
  /** Signs of life, and how long a peer may give none; the protocol's own where left out. */
  readonly channel?: ControlChannelSettings | undefined;
}

/** A control connection on which both sides have said hello. */
export interface OpenControl {
  readonly channel: AnyControlChannel;
  readonly theirs: PeerHello;
}

/** Connects to a destination and exchanges hellos. On failure nothing stays open. */
export async function openControl(
  peer: PeerAddress,
  { release, hostName, capabilities, peerVersions, channel: settings }: SourceSide,
  deadlines: Pick<SourceDeadlines, 'connectMs' | 'helloMs'>,
  signal: AbortSignal,
): Promise<OpenControl> {
  const channel = await connectControl({
    ...settings,
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
