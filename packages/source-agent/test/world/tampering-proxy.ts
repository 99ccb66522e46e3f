/** Stands between a source and a destination and does one thing to the pages on their way. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { BulkKind, BulkType, bulkPayloadBytes, decodeBulkFrameHeader, PeerLimits } from '@drover/protocol';

/** Of a page channel: preamble and bulk hello, before the first frame. */
const GREETING_BYTES = PeerLimits.preambleBytes + PeerLimits.bulkHelloBytes;

/**
 * `lose-a-page`: on the first channel that sends two data frames in a row the first goes out twice and the second not at all. Each frame is right by
 * itself, and their number is as well. `damage-a-page`: a byte of the first data frame is turned that comes once {@link TamperingProxy.armed}.
 */
export type Tampering = 'lose-a-page' | 'damage-a-page';

export class TamperingProxy {
  /** Frames that were tampered with: 0 or 1. */
  tampered = 0;
  armed = false;

  private constructor(
    private readonly server: Server,
    private readonly tampering: Tampering,
    readonly port: number,
  ) {}

  static async start(destinationPort: number, tampering: Tampering): Promise<TamperingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const proxy = new TamperingProxy(server, tampering, port);
    server.on('connection', (source) => {
      const destination = connect({ host: '127.0.0.1', port: destinationPort });
      for (const [end, other] of [
        [source, destination],
        [destination, source],
      ] as const) {
        end.on('error', () => other.destroy());
        end.on('close', () => other.destroy());
      }
      destination.pipe(source);
      proxy.#forward(source, destination);
    });
    return proxy;
  }

  close(): void {
    this.server.close();
  }

  #forward(source: Socket, destination: Socket): void {
    let held = Buffer.alloc(0);
    let greeted = false;
    let last: Buffer | null = null;
    source.on('end', () => destination.end(held));
    source.on('data', (chunk) => {
      held = Buffer.concat([held, chunk]);
      if (!greeted) {
        if (held.length < PeerLimits.preambleBytes) return;
        const isBulk = held.readUInt16LE(10) === 2;
        if (isBulk && held.length < GREETING_BYTES) return;
        if (!isBulk || held.readUInt16LE(PeerLimits.preambleBytes + 32) !== BulkKind.pages) {
          destination.write(held);
          held = Buffer.alloc(0);
          source.removeAllListeners('data').pipe(destination);
          return;
        }
        greeted = true;
        destination.write(held.subarray(0, GREETING_BYTES));
        held = held.subarray(GREETING_BYTES);
      }
      for (let frame = firstFrame(held); frame !== null; frame = firstFrame(held)) {
        held = held.subarray(frame.length);
        const isData = frame.readUInt16LE(0) === BulkType.data;
        destination.write(isData && this.tampered === 0 ? this.#tamper(frame, last) : frame);
        last = isData ? Buffer.from(frame) : null;
      }
    });
  }

  #tamper(frame: Buffer, last: Buffer | null): Buffer {
    if (this.tampering === 'lose-a-page') {
      if (last === null) return frame;
      this.tampered++;
      return last;
    }
    if (!this.armed) return frame;
    this.tampered++;
    const damaged = Buffer.from(frame);
    damaged[damaged.length - 1] = (damaged[damaged.length - 1] ?? 0) ^ 1;
    return damaged;
  }
}

/** The first frame in `bytes`, header and payload, once it is whole. */
function firstFrame(bytes: Buffer): Buffer | null {
  if (bytes.length < PeerLimits.bulkHeaderBytes) return null;
  const header = decodeBulkFrameHeader(2, bytes);
  if (!header.ok) throw new Error(`the source sent a wrong frame: ${header.error.message}`);
  const length = PeerLimits.bulkHeaderBytes + bulkPayloadBytes(header.value);
  return bytes.length < length ? null : bytes.subarray(0, length);
}
