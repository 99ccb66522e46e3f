import { type ChildProcess, execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type BulkReceiver,
  type BulkReceiverOptions,
  type BulkSender,
  type BulkSenderOptions,
  COUNTER_COUNT,
  Counter,
  type GuestMemory,
  type NativeError,
  native,
  PAGE_SIZE,
  type PeerListener,
} from '../index.js';

const PAGES = 600;
const addon = native();

let folder: string;
let cleanups: Array<() => void>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-transfer-'));
  cleanups = [];
});

afterEach(() => {
  for (const cleanup of cleanups.reverse()) cleanup();
  rmSync(folder, { recursive: true });
});

interface TestMemory {
  readonly fd: number;
  readonly memory: GuestMemory;
}

function makeMemory(pages = PAGES): TestMemory {
  const sizeBytes = BigInt(pages * PAGE_SIZE);
  const fd = addon.createMemfd('transfer-test', sizeBytes);
  const memory = addon.openMemory([{ id: 'ram', fd, offset: 0n, sizeBytes }]);
  cleanups.push(() => {
    memory.close();
    addon.closeFd(fd);
  });
  return { fd, memory };
}

function writePage(target: TestMemory, page: number, fill: number): void {
  writeSync(target.fd, Buffer.alloc(PAGE_SIZE, fill), 0, PAGE_SIZE, page * PAGE_SIZE);
}

function contents(target: TestMemory): string {
  const bytes = Buffer.alloc(PAGES * PAGE_SIZE);
  readSync(target.fd, bytes, 0, bytes.length, 0);
  return createHash('sha256').update(bytes).digest('hex');
}

interface Pair {
  readonly listener: PeerListener;
  readonly sender: BulkSender;
  readonly receiver: BulkReceiver;
  readonly failures: NativeError[];
  readonly stateSocket: string;
}

function makePair(
  source: TestMemory,
  destination: TestMemory,
  changes: Partial<BulkSenderOptions> & Partial<BulkReceiverOptions> = {},
): Pair {
  const failures: NativeError[] = [];
  const stateSocket = join(folder, 'state');
  const receiver = addon.createReceiver({
    memory: destination.memory,
    connections: 2,
    version: 1,
    stallTimeoutMs: 5000,
    stateLimitBytes: 1n << 20n,
    onFailure: (error) => failures.push(error),
    ...changes,
  });
  const listener = addon.listenForPeers({
    host: '127.0.0.1',
    port: 0,
    handshakeTimeoutMs: 5000,
    maxPending: 16,
    onConnection: (fd, preamble, hello) => {
      expect(Buffer.from(preamble.subarray(0, 4)).toString()).toBe('DRVR');
      receiver.addChannel(fd, hello as Uint8Array);
    },
  });
  const sender = addon.createSender({
    memory: source.memory,
    host: '127.0.0.1',
    port: listener.port,
    connections: 2,
    version: 1,
    token: new Uint8Array(32).fill(7),
    connectTimeoutMs: 5000,
    stallTimeoutMs: 5000,
    stateSocket,
    stateLimitBytes: 1n << 20n,
    ...changes,
  });
  cleanups.push(() => {
    listener.close();
    sender.close();
    receiver.close();
  });
  return { listener, sender, receiver, failures, stateSocket };
}

/** What a VMM does with its state on the source: writes it to a unix socket and ends. */
function writeState(path: string, state: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(path, () => socket.end(state));
    socket.on('error', reject).on('close', () => resolve());
  });
}

/** And on the destination: takes one connection and everything that comes over it. */
function receiveState(path: string): Promise<{ server: Server; state: Promise<Buffer> }> {
  return new Promise((resolve) => {
    let done: (state: Buffer) => void;
    const state = new Promise<Buffer>((settle) => {
      done = settle;
    });
    const server = createServer((socket) => {
      const pieces: Buffer[] = [];
      socket.on('data', (piece) => pieces.push(piece)).on('end', () => done(Buffer.concat(pieces)));
    });
    cleanups.push(() => server.close());
    server.listen(path, () => resolve({ server, state }));
  });
}

async function failureOf(promise: Promise<unknown>): Promise<NativeError> {
  return promise.then(
    () => expect.fail('should have been rejected'),
    (error: NativeError) => error,
  );
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) expect.fail('waited for too long');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('bulk transfer', () => {
  it('moves memory in rounds and counts what it does, without a byte of it in JavaScript (R3, R9)', async () => {
    const source = makeMemory();
    const destination = makeMemory();
    for (let page = 0; page < 300; page++) writePage(source, page, page % 3 === 0 ? 0 : 1 + (page % 200));
    const { sender, receiver, failures } = makePair(source, destination);
    expect(sender.counters).toHaveLength(COUNTER_COUNT);
    await sender.connect();
    await receiver.connected(5000);

    const torn = addon.createBitmap(source.memory);
    const first = await sender.sendRound(0, null, torn);
    await receiver.roundEnded(0, 5000);
    expect(first).toMatchObject({ dataPages: 200, zeroPages: 100, tornPages: 0 });
    expect(contents(destination)).toBe(contents(source));
    expect(sender.counters[Counter.wireBytes]).toBe(BigInt(first.wireBytes));
    expect(sender.counters[Counter.dataPages]).toBe(200n);
    expect(receiver.counters[Counter.dataPages]).toBe(200n);

    writePage(source, 1, 0);
    writePage(source, 400, 9);
    const dirty = addon.createBitmap(source.memory);
    dirty.setAll();
    const second = await sender.sendRound(1, dirty, torn);
    await receiver.roundEnded(1, 5000);
    expect(second).toMatchObject({ dataPages: 200, zeroPages: PAGES - 200 });
    expect(contents(destination)).toBe(contents(source));
    expect(sender.counters[Counter.round]).toBe(1n);
    expect(torn.count()).toBe(0);
    expect(statSync(`/proc/self/fd/${source.fd}`).blocks * 512).toBeLessThanOrEqual(301 * PAGE_SIZE);
    expect(failures).toEqual([]);
  });

  it('carries the device state from one VMM to the other byte for byte (R3)', async () => {
    const { sender, receiver, stateSocket } = makePair(makeMemory(), makeMemory());
    await sender.connect();
    expect(statSync(stateSocket).mode & 0o777).toBe(0o600);
    const vmm = await receiveState(join(folder, 'incoming'));
    const state = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 31) % 251));
    await receiver.connectVmm(join(folder, 'incoming'), 5000);
    const [sent, delivered] = await Promise.all([
      sender.stateSent(),
      receiver.deliverState(5000),
      writeState(stateSocket, state),
    ]);
    expect(sent.bytes).toBe(state.length);
    expect(delivered).toEqual({ bytes: state.length });
    expect(Buffer.compare(await vmm.state, state)).toBe(0);
    sender.close();
    expect(existsSync(stateSocket)).toBe(false);
  });

  it('rejects what is under way with native-cancelled and tells the other side (R12)', async () => {
    const source = makeMemory();
    for (let page = 0; page < PAGES; page++) writePage(source, page, 5);
    const { sender, receiver, failures } = makePair(source, makeMemory());
    await sender.connect();
    sender.setBandwidth(1000n);
    const round = failureOf(sender.sendRound(0, null, addon.createBitmap(source.memory)));
    const state = failureOf(sender.stateSent());
    const order: string[] = [];
    const ended = failureOf(receiver.roundEnded(0, 60_000)).then((error) => {
      order.push(`promise ${failures.length}`);
      return error;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    sender.cancel();
    expect((await round).code).toBe('native-cancelled');
    expect((await state).code).toBe('native-cancelled');
    expect((await ended).code).toBe('native-connection-lost');
    await until(() => failures.length > 0);
    expect(order).toEqual(['promise 0']);
    expect(failures).toHaveLength(1);
    expect(failures[0]?.code).toBe('native-connection-lost');
  });

  it('rejects waits at close without calling onFailure', async () => {
    const { receiver, failures } = makePair(makeMemory(), makeMemory());
    const waiting = failureOf(receiver.connected(60_000));
    receiver.close();
    expect((await waiting).code).toBe('native-closed');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(failures).toEqual([]);
  });

  it('refuses a hello that does not fit and goes on (R6)', async () => {
    const { sender, receiver, failures } = makePair(makeMemory(), makeMemory());
    const memfd = addon.createMemfd('no-socket', 0n);
    expect(() => receiver.addChannel(memfd, new Uint8Array(48))).toThrow(/hello/);
    await sender.connect();
    await receiver.connected(5000);
    expect(failures).toEqual([]);
  });

  it('says which option is wrong', () => {
    const { memory } = makeMemory();
    const good: BulkSenderOptions = {
      memory,
      host: '127.0.0.1',
      port: 1,
      connections: 1,
      version: 1,
      token: new Uint8Array(32),
      connectTimeoutMs: 1000,
      stallTimeoutMs: 1000,
      stateSocket: null,
      stateLimitBytes: 0n,
    };
    addon.createSender(good).close();
    const wrong: Array<[Partial<BulkSenderOptions>, RegExp]> = [
      [{ connections: 0 }, /connections/],
      [{ connections: 65 }, /connections/],
      [{ port: 0 }, /port/],
      [{ version: 0 }, /version/],
      [{ version: 3 }, /version must be 1 or 2/],
      [{ token: new Uint8Array(31) }, /token/],
      [{ stallTimeoutMs: 0 }, /stallTimeoutMs/],
      [{ stateSocket: '' }, /stateSocket/],
    ];
    for (const [change, message] of wrong) {
      expect(() => addon.createSender({ ...good, ...change })).toThrow(message);
    }
  });

  it('names the connection that nobody answers', async () => {
    const { memory } = makeMemory();
    const listener = addon.listenForPeers({
      host: '127.0.0.1',
      port: 0,
      handshakeTimeoutMs: 1000,
      maxPending: 1,
      onConnection: () => {},
    });
    const port = listener.port;
    listener.close();
    const sender = addon.createSender({
      memory,
      host: '127.0.0.1',
      port,
      connections: 1,
      version: 1,
      token: new Uint8Array(32),
      connectTimeoutMs: 2000,
      stallTimeoutMs: 1000,
      stateSocket: null,
      stateLimitBytes: 0n,
    });
    const error = await failureOf(sender.connect());
    expect(error).toMatchObject({ code: 'native-connection-lost', syscall: 'connect' });
    expect(error.message).toContain(`port ${port}`);
  });
});

describe('the peer listener', () => {
  it('hands a control connection over after its preamble, with what follows unread', async () => {
    const taken: Array<{ fd: number; preamble: Uint8Array; hello: Uint8Array | null }> = [];
    const listener = addon.listenForPeers({
      host: '127.0.0.1',
      port: 0,
      handshakeTimeoutMs: 5000,
      maxPending: 4,
      onConnection: (fd, preamble, hello) => taken.push({ fd, preamble, hello }),
    });
    cleanups.push(() => listener.close());
    const preamble = Buffer.from('44525652010001000100010000000000', 'hex');
    const socket = connect(listener.port, '127.0.0.1', () => socket.write(preamble));
    cleanups.push(() => socket.destroy());
    await until(() => taken.length === 1);
    expect(Buffer.from(taken[0]?.preamble as Uint8Array)).toEqual(preamble);
    expect(taken[0]?.hello).toBeNull();
    addon.closeFd(taken[0]?.fd as number);
  });

  it('refuses a port in use with errno and port', () => {
    const options = { host: '127.0.0.1', handshakeTimeoutMs: 1000, maxPending: 1, onConnection: () => {} };
    const listener = addon.listenForPeers({ ...options, port: 0 });
    cleanups.push(() => listener.close());
    expect(() => addon.listenForPeers({ ...options, port: listener.port })).toThrow(
      expect.objectContaining({
        code: 'native-system-call',
        errno: 98,
        message: expect.stringContaining(`${listener.port}`),
      }),
    );
  });
});

describe('a process that ends in the middle of a transfer', () => {
  it.each(['exit', 'worker', 'drain'])('ends cleanly: %s', async (way) => {
    const program = new URL('./programs/transfer-exit.mjs', import.meta.url).pathname;
    const result = await new Promise<{ code: unknown; output: string }>((resolve) => {
      const child: ChildProcess = execFile(
        process.execPath,
        [program, way],
        { timeout: 15_000 },
        (error, stdout, stderr) =>
          resolve({ code: error ? (error.signal ?? error.code) : 0, output: stdout + stderr }),
      );
      cleanups.push(() => child.kill());
    });
    expect(result).toEqual({ code: 0, output: way === 'exit' ? '' : 'done\n' });
  });
});
