/** A destination agent behind a real listener, as a host agent has it, and a source that a test plays by hand. */
import { mkdtempSync, rmSync, writeSync } from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BulkSender, type GuestMemory, native, type PeerListener } from '@drover/native';
import {
  type AnyControlChannel,
  type ControlChannel,
  type ControlMessage,
  connectControl,
  type PeerVersion,
} from '@drover/protocol';
import type { Vmm } from '@drover/vmm';
import type { Prepare } from '../../src/check-prepare.js';
import { DestinationAgent, type DestinationOptions } from '../../src/index.js';
import { HELLO_V1, HELLO_V2, prepareMessage, SIZE } from './messages.js';
import { RecordingHost, type RecordingVmm } from './recording-host.js';

/** What a source's hello says otherwise than usual, by the version that it is of. */
export interface HelloChanges {
  readonly 1?: Partial<ControlMessage<'hello', 1>>;
  readonly 2?: Partial<ControlMessage<'hello', 2>>;
}

export class Destination {
  readonly directory = mkdtempSync(join(tmpdir(), 'drover-destination-'));
  readonly #cleanUp: Array<() => void> = [];
  readonly #listener: PeerListener;
  readonly #channels: AnyControlChannel[] = [];
  readonly agent: DestinationAgent;
  /** The one VMM that {@link Destination} makes, once it was asked for. */
  vmm: RecordingVmm | null = null;
  /** Runs while the device state is loaded; may wait. */
  onLoad: () => Promise<void> | void = () => {};

  constructor(
    /** Of the protocol, in which its sources speak. */
    readonly version: PeerVersion,
    options: DestinationOptions = {},
    readonly host = new RecordingHost(),
  ) {
    this.agent = new DestinationAgent(host, options);
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

  /** Guest memory of the one region, which begins with `content`; closed with the destination. */
  memory(content: Uint8Array = new Uint8Array()): GuestMemory {
    const fd = native().createMemfd('destination-test', BigInt(SIZE));
    writeSync(fd, content, 0, content.length, 0);
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
  async connect(changes: HelloChanges = {}): Promise<AnyControlChannel> {
    const versions = [this.version];
    const channel = await connectControl({ host: '127.0.0.1', port: this.port, timeoutMs: 2_000, versions });
    this.#channels.push(channel);
    switch (channel.version) {
      case 1:
        await channel.send('hello', { ...HELLO_V1, ...changes[1] });
        await channel.expect(['hello'], { timeoutMs: 2_000 });
        return channel;
      case 2:
        await channel.send('hello', { ...HELLO_V2, ...changes[2] });
        await channel.expect(['hello'], { timeoutMs: 2_000 });
        return channel;
    }
  }

  /** Sends PREPARE, as the channel's version has it, on a fresh connection unless one is given. */
  async prepare(changes: Partial<Prepare> = {}, on?: AnyControlChannel): Promise<ControlChannel> {
    const channel = on ?? (await this.connect());
    const message = { ...prepareMessage(), ...changes };
    if (channel.version === 1) {
      const { deviceStates: _, capabilities: __, ...ofV1 } = message;
      await channel.send('prepare', ofV1);
    } else await channel.send('prepare', message);
    return channel;
  }

  /** The bulk side of the source: two channels, memory of its own, device state on {@link stateSocket}. */
  async openBulk(token: string, content?: Uint8Array): Promise<BulkSender> {
    const sender = native().createSender({
      memory: this.memory(content),
      host: '127.0.0.1',
      port: this.port,
      connections: 2,
      version: this.version,
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
