/** A destination agent behind a real listener, as a host agent has it, and a source that a test plays by hand. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BulkSender, type GuestMemory, native, type PeerListener } from '@drover/native';
import { type ControlChannel, connectControl, type VersionWindow } from '@drover/protocol';
import type { Vmm } from '@drover/vmm';
import { DestinationAgent, type DestinationDeadlines } from '../../src/index.js';
import { type Hello, ourHello } from '../../src/negotiate.js';
import { SIZE } from './messages.js';
import { RecordingHost, type RecordingVmm } from './recording-host.js';

export class Destination {
  readonly directory = mkdtempSync(join(tmpdir(), 'drover-destination-'));
  readonly #cleanUp: Array<() => void> = [];
  readonly #listener: PeerListener;
  readonly #channels: ControlChannel[] = [];
  readonly agent: DestinationAgent;
  /** The one VMM that {@link Destination} makes, once it was asked for. */
  vmm: RecordingVmm | null = null;
  /** Runs while the device state is loaded; may wait. */
  onLoad: () => Promise<void> | void = () => {};

  constructor(
    deadlines: Partial<DestinationDeadlines> = {},
    readonly host = new RecordingHost(),
  ) {
    this.agent = new DestinationAgent(host, deadlines);
    this.#listener = native().listenForPeers({
      host: '127.0.0.1',
      port: 0,
      handshakeTimeoutMs: 2_000,
      maxPending: 16,
      onConnection: (fd, preamble, hello) => {
        if (hello === null)
          void this.agent.accept(new Socket({ fd, readable: true, writable: true }), preamble);
        else this.#route(fd, hello);
      },
    });
    host.onPrepare = async () => this.makeVmm();
  }

  get port(): number {
    return this.#listener.port;
  }

  /** Guest memory of the one region, closed with the destination. */
  memory(): GuestMemory {
    const fd = native().createMemfd('destination-test', BigInt(SIZE));
    const memory = native().openMemory([{ id: 'ram0', fd, offset: 0n, sizeBytes: BigInt(SIZE) }]);
    this.#cleanUp.push(() => {
      memory.close();
      native().closeFd(fd);
    });
    return memory;
  }

  /** A VMM whose device state is whatever arrives on its socket. */
  makeVmm(parts: Partial<Vmm> = {}): RecordingVmm {
    const path = join(this.directory, 'load.sock');
    let arrived: () => void = () => {};
    const state = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const server: Server = createServer((socket) => socket.on('end', arrived).resume());
    this.#cleanUp.push(() => server.close());
    this.vmm = this.host.makeVmm({
      memory: this.memory(),
      prepareLoad: () => new Promise((resolve) => server.listen(path, () => resolve(path))),
      loaded: async () => {
        await state;
        await this.onLoad();
      },
      ...parts,
    });
    return this.vmm;
  }

  /** Connects as a source does, hellos exchanged. */
  async connect(changes: Partial<Hello> = {}, versions?: VersionWindow): Promise<ControlChannel> {
    const { channel } = await connectControl({
      host: '127.0.0.1',
      port: this.port,
      timeoutMs: 2_000,
      ...(versions && { versions }),
    });
    this.#channels.push(channel);
    await channel.send('hello', { ...ourHello('0.1.0', 'north'), ...changes });
    await channel.expect(['hello'], { timeoutMs: 2_000 });
    return channel;
  }

  /** The bulk side of the source: two channels, memory of its own, device state on {@link stateSocket}. */
  async openBulk(token: string): Promise<BulkSender> {
    const sender = native().createSender({
      memory: this.memory(),
      host: '127.0.0.1',
      port: this.port,
      connections: 2,
      version: 1,
      token: Buffer.from(token, 'hex'),
      connectTimeoutMs: 2_000,
      stallTimeoutMs: 5_000,
      stateSocket: this.stateSocket,
      stateLimitBytes: 1n << 20n,
    });
    this.#cleanUp.push(() => sender.close());
    await sender.connect();
    return sender;
  }

  get stateSocket(): string {
    return join(this.directory, 'state.sock');
  }

  /** Sends some device state, as a VMM does. */
  async sendState(): Promise<void> {
    const socket = new Socket().connect(this.stateSocket);
    await new Promise<void>((resolve) => socket.end('state', resolve));
  }

  async close(): Promise<void> {
    for (const channel of this.#channels) channel.close();
    await this.agent.close();
    this.#listener.close();
    for (const cleanUp of this.#cleanUp.splice(0).reverse()) cleanUp();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #route(fd: number, hello: Uint8Array): void {
    const receiver = this.host.routes.get(Buffer.from(hello.subarray(0, 32)).toString('hex'));
    if (receiver) receiver.addChannel(fd, hello);
    else native().closeFd(fd);
  }
}
