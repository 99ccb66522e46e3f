/** Stands between a source and a destination and lets their bulk bytes through for a while only. Control connections pass. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { PeerLimits } from '@drover/protocol';

export class Gate {
  readonly #sockets = new Set<Socket>();
  #passed = 0;

  private constructor(
    private readonly server: Server,
    readonly port: number,
    private readonly stopAfterBytes: number,
  ) {}

  /** After `stopAfterBytes` of all bulk connections together nothing passes, and nobody is told. */
  static async start(destinationPort: number, stopAfterBytes: number): Promise<Gate> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const gate = new Gate(server, typeof address === 'object' && address ? address.port : 0, stopAfterBytes);
    server.on('connection', (source) =>
      gate.#join(source, connect({ host: '127.0.0.1', port: destinationPort })),
    );
    return gate;
  }

  close(): void {
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(source: Socket, destination: Socket): void {
    for (const [end, other] of [
      [source, destination],
      [destination, source],
    ] as const) {
      this.#sockets.add(end);
      end.on('error', () => other.destroy());
      end.on('close', () => other.destroy());
    }
    destination.pipe(source);
    this.#pass(source, destination).catch(() => source.destroy());
  }

  async #pass(source: Socket, destination: Socket): Promise<void> {
    let isBulk: boolean | null = null;
    for await (const chunk of source as AsyncIterable<Buffer>) {
      isBulk ??= chunk.length >= PeerLimits.preambleBytes && chunk.readUInt16LE(10) === 2;
      if (isBulk) this.#passed += chunk.length;
      // Leaving the loop would close the connection.
      if (isBulk && this.#passed > this.stopAfterBytes) await new Promise<never>(() => {});
      destination.write(chunk);
    }
    destination.end();
  }
}
