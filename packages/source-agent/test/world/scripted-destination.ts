/** A destination that answers a source's questions from a script, one entry a connection; the last entry repeats. */
import { createServer, type Server, type Socket } from 'node:net';
import { acceptControl, type ControlChannel, exchangeHellos } from '@drover/protocol';

export type Answer =
  | { readonly outcome: 'owned' | 'aborted' | 'ready' | 'preparing' | 'unknown'; readonly epoch: string }
  /** The connection breaks instead. */
  | 'silence';

export interface Script {
  readonly answers: readonly Answer[];
  /** What COMMIT gets. */
  readonly commit?: 'running' | 'silence';
}

export class ScriptedDestination {
  /** Every request that came, in order. */
  readonly requests: string[] = [];
  #asked = 0;

  private constructor(
    private readonly server: Server,
    private readonly script: Script,
  ) {}

  static async start(script: Script): Promise<ScriptedDestination> {
    const server = createServer();
    const destination = new ScriptedDestination(server, script);
    server.on('connection', (socket) => {
      socket.on('error', () => {});
      socket.once('readable', () => void destination.#serve(socket).catch(() => socket.destroy()));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return destination;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  close(): void {
    this.server.close();
  }

  async #serve(socket: Socket): Promise<void> {
    const answer = this.script.answers[Math.min(this.#asked++, this.script.answers.length - 1)] ?? 'silence';
    const preamble = socket.read(16) as Buffer;
    const accepted = acceptControl({ socket, preamble });
    if (!accepted.ok) return;
    const { channel } = accepted;
    const us = { release: '0.2.0', hostName: 'scripted' };
    await exchangeHellos(channel, us, { timeoutMs: 1_000 });
    await this.#answer(channel, answer);
  }

  async #answer(channel: ControlChannel, answer: Answer): Promise<void> {
    for (;;) {
      const { name } = await channel.expect(['outcomeQuery', 'commit', 'abort'], { timeoutMs: 1_000 });
      this.requests.push(name);
      if (name === 'commit' && this.script.commit === 'running') {
        await channel.send('running', { journalMs: 1, resumeMs: 1 });
      } else if (name === 'outcomeQuery' && answer !== 'silence') {
        await channel.send('outcome', answer);
      } else {
        channel.close();
        return;
      }
    }
  }
}
