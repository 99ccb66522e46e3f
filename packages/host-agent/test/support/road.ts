/** A way to an agent's peers that can be shut: while it is, nobody listens at its address. */
import { connect, createServer, type Server } from 'node:net';
import { onTestFinished } from 'vitest';

export class Road {
  #server: Server | null = null;

  private constructor(
    /** Where it begins. */
    readonly port: number,
    private readonly to: () => number,
  ) {}

  /** Shut. `to` says where it leads, when somebody goes. */
  static async make(to: () => number): Promise<Road> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    await new Promise((resolve) => server.close(resolve));
    const road = new Road(typeof address === 'object' && address ? address.port : 0, to);
    onTestFinished(() => road.shut());
    return road;
  }

  async open(): Promise<void> {
    const server = createServer((from) => {
      const onward = connect({ host: '127.0.0.1', port: this.to() });
      for (const [end, other] of [
        [from, onward],
        [onward, from],
      ] as const) {
        end.on('error', () => other.destroy());
        end.pipe(other);
      }
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
  }

  shut(): void {
    this.#server?.close();
    this.#server = null;
  }
}
