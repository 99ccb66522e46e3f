import { type ControlChannel, connectControl } from '@drover/protocol';
import type { SourceDeadlines } from './deadlines.js';
import type { PeerAddress } from './migration.js';
import { type Hello, ourHello } from './negotiate.js';

/** A control connection on which both sides have said hello. */
export interface OpenControl {
  readonly channel: ControlChannel;
  /** Peer protocol version in use. */
  readonly version: number;
  readonly theirs: Hello;
}

/** Connects to a destination and exchanges hellos. On failure nothing stays open. */
export async function openControl(
  peer: PeerAddress,
  us: { readonly release: string; readonly hostName: string },
  deadlines: Pick<SourceDeadlines, 'connectMs' | 'helloMs'>,
  signal: AbortSignal,
): Promise<OpenControl> {
  const { channel, version } = await connectControl({
    host: peer.host,
    port: peer.port,
    timeoutMs: deadlines.connectMs,
    signal,
  });
  try {
    await channel.send('hello', ourHello(us.release, us.hostName));
    const { message } = await channel.expect(['hello'], { timeoutMs: deadlines.helloMs, signal });
    return { channel, version, theirs: message };
  } catch (thrown) {
    channel.close();
    throw thrown;
  }
}
