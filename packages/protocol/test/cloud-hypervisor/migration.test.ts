import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DroverError } from '@drover/types';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { cloudHypervisor } from '../../src/index.js';
import { configOf, MemoryFile, RecordedGuest, slotOf } from './guests.js';

const { MemorySender, MigrationReceiver, MigrationSender, RangeTable, readConnectionRole, StreamWire } =
  cloudHypervisor;

const MiB = 1 << 20;
/** 8 MiB below and 8 MiB above 4 GiB, in one file. */
const slots = [slotOf(0, 0, 8 * MiB), slotOf(1, 2 ** 32, 8 * MiB, 8 * MiB)];
const config = configOf(slots);
const state = new TextEncoder().encode(
  '{"snapshots":{},"snapshot_data":{"state":"{\\"rip\\":18446744073709551615}"}}',
);
const allMemory = RangeTable.of([
  { gpa: 0n, length: BigInt(8 * MiB) },
  { gpa: 1n << 32n, length: BigInt(8 * MiB) },
]);
const patient: cloudHypervisor.Deadlines = {
  requestMs: 10_000,
  stallMs: 10_000,
  answerMs: 10_000,
  workMs: 10_000,
};

const cleanUp: (() => void)[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const act of cleanUp.splice(0).reverse()) act();
});

/** A unix socket to listen on, and a queue of what connects. */
async function listen(): Promise<{ dial(): Promise<Socket>; accepted(): Promise<Socket> }> {
  const folder = mkdtempSync(join(tmpdir(), 'cloud-hypervisor-wire-'));
  const path = join(folder, 'migration.sock');
  const waiting: Socket[] = [];
  const wanted: ((socket: Socket) => void)[] = [];
  const server = createServer((socket) => {
    keep(socket);
    const taker = wanted.shift();
    if (taker) taker(socket);
    else waiting.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  cleanUp.push(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    dial: () =>
      new Promise((resolve, reject) => {
        const socket = keep(connect(path));
        socket.once('connect', () => resolve(socket));
        socket.once('error', reject);
      }),
    accepted: () =>
      new Promise((resolve) => {
        const socket = waiting.shift();
        if (socket) resolve(socket);
        else wanted.push(resolve);
      }),
  };
}

function keep(socket: Socket): Socket {
  cleanUp.push(() => socket.destroy());
  return socket.on('error', () => undefined);
}

/** Guest memory with content that no two pages share. */
function sourceMemory(): { file: MemoryFile; bytes: Buffer } {
  const file = memoryFile();
  const bytes = Buffer.alloc(16 * MiB);
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at);
  file.fill(bytes);
  const memory = cloudHypervisor.readGuestMemory(config);
  if (!memory.ok) throw new Error(memory.refusal.message);
  file.memory = memory.value;
  return { file, bytes };
}

function memoryFile(): MemoryFile {
  const file = new MemoryFile();
  cleanUp.push(() => file.remove());
  return file;
}

/** Both ends over a unix socket. The wires can be given more than Node's sockets have. */
async function pair(
  options: {
    readonly version?: number;
    readonly newest?: number;
    readonly deadlines?: Partial<cloudHypervisor.Deadlines>;
    readonly senderSignal?: AbortSignal;
    readonly receiverSignal?: AbortSignal;
    readonly descriptors?: cloudHypervisor.DescriptorPassing;
  } = {},
) {
  const { version = 0, newest = 1, descriptors = null, senderSignal, receiverSignal } = options;
  const deadlines = { ...patient, ...options.deadlines };
  const server = await listen();
  const [socket, accepted] = await Promise.all([server.dial(), server.accepted()]);
  const destination = memoryFile();
  const guest = new RecordedGuest(destination);
  const progress: cloudHypervisor.ReceiverProgress[] = [];
  const receiver = new MigrationReceiver({
    ...{ wire: new StreamWire(accepted, descriptors), guest, newest, deadlines },
    ...(receiverSignal ? { signal: receiverSignal } : {}),
    onProgress: (now) => progress.push(now),
  });
  const sender = new MigrationSender({
    ...{ wire: new StreamWire(socket, descriptors), version, deadlines },
    ...(senderSignal ? { signal: senderSignal } : {}),
  });
  return { sender, receiver, result: receiver.run(), guest, destination, server, socket, accepted, progress };
}

async function failure(promise: Promise<unknown>): Promise<DroverError> {
  const thrown = await promise.then(
    () => new Error('it did not reject'),
    (error: unknown) => error,
  );
  if (!(thrown instanceof DroverError)) throw thrown;
  return thrown;
}

/** How it failed at the receiver. */
async function failed(result: Promise<cloudHypervisor.ReceiverResult>): Promise<DroverError> {
  const ended = await result;
  if (ended.ok || !(ended.error instanceof DroverError)) throw new Error(`ended ${JSON.stringify(ended.ok)}`);
  return ended.error;
}

describe('a migration over a unix socket', () => {
  it.each([
    [0, 0],
    [0, 1],
    [1, 1],
  ])(
    'from a sender of version %i to a receiver of version %i brings all memory, config and state (R3)',
    async (version, newest) => {
      const { file, bytes } = sourceMemory();
      const { sender, result, guest, destination } = await pair({ version, newest });
      await sender.start();
      await sender.sendConfig(config);
      await sender.sendMemory(allMemory, file);
      // The guest writes, is paused, and what it wrote comes again, twice in one table.
      bytes.fill(0x5a, 4096, 8192);
      bytes.fill(0xa5, 8 * MiB - 4096, 8 * MiB + 4096);
      file.fill(bytes);
      const dirty = [
        { gpa: 4096n, length: 4096n },
        { gpa: BigInt(8 * MiB - 4096), length: 4096n },
        { gpa: 1n << 32n, length: 4096n },
      ];
      await sender.sendMemory(RangeTable.of([...dirty, ...dirty]), file);
      await sender.sendMemory(RangeTable.of([]), file);
      await sender.sendState(state);
      await sender.complete();
      sender.close();
      expect(await result).toEqual({
        ...{ ok: true, paused: false, answered: true, pageBytes: BigInt(16 * MiB + 6 * 4096) },
      });
      expect(guest.calls).toEqual(['configure', 'restore', 'run']);
      expect(Buffer.from(guest.config ?? [])).toEqual(Buffer.from(config));
      expect(Buffer.from(guest.state ?? [])).toEqual(Buffer.from(state));
      expect(destination.bytes(16 * MiB).equals(bytes)).toBe(true);
    },
  );

  it('from a sender of version 1 to a receiver of version 0 is refused before anything is done (R7)', async () => {
    const { sender, result, guest } = await pair({ version: 1, newest: 0 });
    const error = await failure(sender.start());
    expect(error.code).toBe('cloud-hypervisor-version-unknown');
    expect(error.message).toContain('does not take wire version 1');
    expect(sender.state).toBe('aborted');
    const received = await failed(result);
    expect(received.code).toBe('cloud-hypervisor-version-unknown');
    expect(received.message).toContain('is wire version 1; this side takes 0 to 0');
    expect(guest.calls).toEqual([]);
  });

  it('may use more connections for memory, and ends the rest with the main one', async () => {
    const { file, bytes } = sourceMemory();
    const { sender, receiver, result, destination, server } = await pair();
    await sender.start();
    await sender.sendConfig(config);
    const more = await Promise.all(
      [0, 1, 2].map(async () =>
        MemorySender.open({ wire: new StreamWire(await server.dial()), deadlines: patient }),
      ),
    );
    const served = more.map(async () => {
      const wire = new StreamWire(await server.accepted());
      const role = await readConnectionRole(wire, { signal: AbortSignal.timeout(10_000) });
      expect(role).toBe('precopyMemory');
      await receiver.serveMemory(wire);
    });
    const chunk = (index: number) => ({
      gpa: index < 8 ? BigInt(index * MiB) : (1n << 32n) + BigInt((index - 8) * MiB),
      length: BigInt(MiB),
    });
    await Promise.all(
      more.map(async (connection, which) => {
        for (let index = which; index < 15; index += more.length) {
          await connection.sendMemory(RangeTable.of([chunk(index)]), file);
        }
      }),
    );
    // One ends early, between two requests; the main connection takes memory as well.
    more[0]?.close();
    await sender.sendMemory(RangeTable.of([chunk(15)]), file);
    await sender.sendState(state);
    await sender.completePaused();
    expect(await result).toMatchObject({ ok: true, paused: true, pageBytes: BigInt(16 * MiB) });
    await Promise.all(served);
    expect(destination.bytes(16 * MiB).equals(bytes)).toBe(true);
  });

  it('tells its progress as it goes, and a display that fails costs nothing (R12)', async () => {
    const { file } = sourceMemory();
    const { sender, result, progress } = await pair();
    const moved: number[] = [];
    await sender.start();
    await sender.sendConfig(config);
    await sender.sendMemory(allMemory, file, (bytes) => moved.push(bytes));
    await sender.sendState(state);
    progress.push = () => {
      throw new Error('the display is gone');
    };
    await sender.complete();
    expect((await result).ok).toBe(true);
    expect(moved.reduce((sum, bytes) => sum + bytes, 0)).toBe(16 * MiB);
    const seen = progress.map(({ state }) => state);
    expect([...new Set(seen)]).toEqual(['started', 'configured', 'stateReceived']);
    expect(progress.at(-1)?.pageBytes).toBe(BigInt(16 * MiB));
  });

  it('is dropped at once when the sender abandons it', async () => {
    const { sender, result, guest } = await pair();
    await sender.start();
    await sender.sendConfig(config);
    await sender.abandon();
    expect((await failed(result)).code).toBe('cloud-hypervisor-abandoned');
    expect(guest.calls).toEqual(['configure']);
  });
});

describe('a receiver', () => {
  it('that refuses in the middle of the pages is heard at once', async () => {
    const { file } = sourceMemory();
    const { sender, result, guest } = await pair();
    await sender.start();
    await sender.sendConfig(configOf([slotOf(0, 0, 8 * MiB)]));
    expect((await failure(sender.sendMemory(allMemory, file))).code).toBe('cloud-hypervisor-refused');
    const error = await failed(result);
    expect(error.code).toBe('cloud-hypervisor-violation');
    expect(error.message).toContain('range-table[1].gpa is 0x100000000');
    expect(guest.calls).toEqual(['configure']);
  });

  it('passes on what its guest rejects with, and tells the sender', async () => {
    const { sender, result, guest } = await pair();
    guest.during = async (step) => {
      if (step === 'restore') throw new Error('no such device');
    };
    await sender.start();
    await sender.sendConfig(config);
    expect((await failure(sender.sendState(state))).code).toBe('cloud-hypervisor-refused');
    expect(await result).toMatchObject({ ok: false, error: { message: 'no such device' }, refusal: null });
  });

  it('that cannot let the guest run says so, and the guest may go on at the source (R2)', async () => {
    const { sender, result, guest } = await pair();
    guest.during = async (step) => {
      if (step === 'complete') throw new Error('it did not resume');
    };
    await sender.start();
    await sender.sendConfig(config);
    await sender.sendState(state);
    expect((await failure(sender.complete())).code).toBe('cloud-hypervisor-refused');
    expect(await result).toMatchObject({ ok: false, error: { message: 'it did not resume' } });
  });

  it('that does not know whether its guest runs answers nothing, and the sender stays paused (R1, R4)', async () => {
    const { sender, result, guest } = await pair({ deadlines: { workMs: 50 } });
    guest.during = (step) => (step === 'complete' ? new Promise(() => undefined) : Promise.resolve());
    await sender.start();
    await sender.sendConfig(config);
    await sender.sendState(state);
    const error = await failure(sender.complete());
    expect(error.code).toBe('cloud-hypervisor-in-doubt');
    expect(error.retryable).toBe(false);
    expect((await failed(result)).code).toBe('cloud-hypervisor-in-doubt');
  });

  it('whose last answer is lost leaves the sender in doubt, never free to go on (R1)', async () => {
    const { sender, result, guest, accepted, socket } = await pair();
    guest.during = async (step) => {
      if (step === 'complete') {
        accepted.destroy();
        socket.destroy();
      }
    };
    await sender.start();
    await sender.sendConfig(config);
    await sender.sendState(state);
    expect((await failure(sender.complete())).code).toBe('cloud-hypervisor-in-doubt');
    expect(await result).toMatchObject({ ok: true, paused: false, answered: false });
  });

  it('gives a sender up that goes silent: between requests, inside a payload, inside pages (R6)', async () => {
    const cases: [name: string, bytes: Uint8Array][] = [
      ['send its next request', new Uint8Array(0)],
      [
        'send its next request',
        cloudHypervisor.encodeRequest({ command: 'config', version: 0, length: 9 }).subarray(0, 7),
      ],
      [
        'send the rest of the configuration',
        Buffer.concat([
          cloudHypervisor.encodeRequest({ command: 'config', version: 0, length: 9 }),
          Buffer.from('{'),
        ]),
      ],
    ];
    for (const [what, bytes] of cases) {
      const { sender, result, socket } = await pair({ deadlines: { requestMs: 60, stallMs: 60 } });
      await sender.start();
      socket.write(bytes);
      const error = await failed(result);
      expect([error.code, error.message.includes(what)]).toEqual(['cloud-hypervisor-timeout', true]);
    }
    const { sender, result, socket } = await pair({ deadlines: { stallMs: 60 } });
    await sender.start();
    await sender.sendConfig(config);
    const length = allMemory.bytes.length;
    socket.write(cloudHypervisor.encodeRequest({ command: 'memory', version: 0, length }));
    socket.write(allMemory.bytes);
    socket.write(Buffer.alloc(100_000));
    expect((await failed(result)).message).toContain('did not move any page within');
  });

  it('waits on a silent main connection for as long as others carry memory, and no longer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { file } = sourceMemory();
    const { sender, receiver, result, server } = await pair({ deadlines: { requestMs: 1_000 } });
    await sender.start();
    await sender.sendConfig(config);
    const [socket, accepted] = await Promise.all([server.dial(), server.accepted()]);
    const served = receiver.serveMemory(new StreamWire(accepted));
    socket.write(cloudHypervisor.encodeRequest({ command: 'memory', version: 0, length: 16 }));
    socket.write(RangeTable.of([{ gpa: 0n, length: BigInt(4 * 65_536) }]).bytes);
    const piece = file.bytes(65_536);
    for (let sent = 1; sent <= 4; sent++) {
      vi.advanceTimersByTime(900);
      const before = receiver.progress.pageBytes;
      socket.write(piece);
      while (receiver.progress.pageBytes === before) await new Promise(setImmediate);
    }
    vi.advanceTimersByTime(1_000);
    expect((await failed(result)).message).toContain('did not send its next request within 1 s');
    await served;
  });

  it('can be cancelled, also inside pages, and tells the sender (R12)', async () => {
    const { file } = sourceMemory();
    const cancel = new AbortController();
    const { sender, result, guest, progress } = await pair({ receiverSignal: cancel.signal });
    await sender.start();
    await sender.sendConfig(config);
    progress.push = () => {
      cancel.abort(new Error('the operator said so'));
      return 0;
    };
    expect(['cloud-hypervisor-refused', 'cloud-hypervisor-closed']).toContain(
      (await failure(sender.sendMemory(allMemory, file))).code,
    );
    expect(await result).toMatchObject({ ok: false, error: { message: 'the operator said so' } });
    expect(guest.calls).toEqual(['configure']);
  });

  it('ends the whole migration when one of its connections breaks inside pages (R3)', async () => {
    const { sender, receiver, result, server, guest } = await pair();
    await sender.start();
    await sender.sendConfig(config);
    const other = await server.dial();
    const wire = new StreamWire(await server.accepted());
    other.write(cloudHypervisor.encodeConnectionRole('precopyMemory'));
    await readConnectionRole(wire, { signal: AbortSignal.timeout(10_000) });
    other.write(cloudHypervisor.encodeRequest({ command: 'memory', version: 0, length: 16 }));
    other.end(RangeTable.of([{ gpa: 0n, length: 4096n }]).bytes);
    await receiver.serveMemory(wire);
    expect((await failed(result)).code).toBe('cloud-hypervisor-closed');
    expect(['cloud-hypervisor-refused', 'cloud-hypervisor-closed']).toContain(
      (await failure(sender.sendState(state))).code,
    );
    expect(guest.calls).toEqual(['configure']);
  });

  it('takes no state while memory is on its way on another connection (R3)', async () => {
    const { sender, receiver, result, server, guest } = await pair();
    await sender.start();
    await sender.sendConfig(config);
    const other = await server.dial();
    const wire = new StreamWire(await server.accepted());
    const served = receiver.serveMemory(wire);
    const begun = new Promise<void>((resolve) => {
      const { pages } = guest;
      const receive = pages.receive.bind(pages);
      pages.receive = async (table, move) => {
        resolve();
        await receive(table, move);
      };
    });
    other.write(cloudHypervisor.encodeRequest({ command: 'memory', version: 0, length: 16 }));
    other.write(RangeTable.of([{ gpa: 0n, length: 4096n }]).bytes);
    await begun;
    expect((await failure(sender.sendState(state))).code).toBe('cloud-hypervisor-refused');
    expect((await failed(result)).message).toContain('memory is on its way on another connection');
    await served;
  });

  it('takes nothing but memory on another connection', async () => {
    const { sender, receiver, result, server, guest } = await pair();
    await sender.start();
    await sender.sendConfig(config);
    const other = await server.dial();
    other.write(cloudHypervisor.encodeRequest({ command: 'state', version: 0, length: 0 }));
    await receiver.serveMemory(new StreamWire(await server.accepted()));
    expect((await failed(result)).message).toContain('is state, which only the main connection may carry');
    expect(guest.calls).toEqual(['configure']);
  });

  it('drops a connection of no known role and goes on', async () => {
    const { sender, result, server } = await pair();
    await sender.start();
    const old = await server.dial();
    old.write(cloudHypervisor.encodeRequest({ command: 'memory', version: 0, length: 16 }));
    const wire = new StreamWire(await server.accepted());
    const error = await failure(readConnectionRole(wire, { signal: AbortSignal.timeout(10_000) }));
    expect(error.message).toContain('connection-role.role is 4, which is no role known here');
    const silent = new StreamWire((await Promise.all([server.dial(), server.accepted()]))[1]);
    const role = readConnectionRole(silent, { signal: AbortSignal.timeout(10_000), timeoutMs: 30 });
    expect((await failure(role)).code).toBe('cloud-hypervisor-timeout');
    await sender.sendConfig(config);
    await sender.sendState(state);
    await sender.complete();
    expect((await result).ok).toBe(true);
  });
});

describe('a sender', () => {
  it('sends nothing that has no place yet', async () => {
    const { sender, result } = await pair();
    await expect(sender.sendState(state)).rejects.toThrow('state has no place in the state established');
    await sender.start();
    await expect(sender.complete()).rejects.toThrow(TypeError);
    sender.close();
    expect((await failed(result)).message).toContain('in the state started');
  });

  it('gives a receiver up that does not answer (R6)', async () => {
    const server = await listen();
    const [socket] = await Promise.all([server.dial(), server.accepted()]);
    const deadlines = { ...patient, answerMs: 50 };
    const sender = new MigrationSender({ wire: new StreamWire(socket), version: 0, deadlines });
    const error = await failure(sender.start());
    expect([error.code, error.message.includes('did not answer start')]).toEqual([
      'cloud-hypervisor-timeout',
      true,
    ]);
  });

  it('gives a receiver up that takes no pages (R6)', async () => {
    const { file } = sourceMemory();
    const server = await listen();
    const [socket, accepted] = await Promise.all([server.dial(), server.accepted()]);
    const deadlines = { ...patient, stallMs: 100 };
    const sender = new MigrationSender({ wire: new StreamWire(socket), version: 0, deadlines });
    const answer = () => accepted.write(cloudHypervisor.encodeResponse({ status: 'ok', length: 0n }));
    answer();
    await sender.start();
    answer();
    await sender.sendConfig(config);
    accepted.pause();
    expect((await failure(sender.sendMemory(allMemory, file))).message).toContain('did not move any page');
  });

  it.each([
    ['a status that is none', '03000000000000000000000000000000', 'response.status is 3'],
    [
      'a length where nothing can follow',
      '01000000000000000010000000000000',
      'response.length is 4096, not 0',
    ],
  ])('does not go on after %s', async (_, hex, message) => {
    const server = await listen();
    const [socket, accepted] = await Promise.all([server.dial(), server.accepted()]);
    const sender = new MigrationSender({ wire: new StreamWire(socket), version: 0, deadlines: patient });
    accepted.write(Buffer.from(hex, 'hex'));
    const error = await failure(sender.start());
    expect([error.code, error.message.includes(message)]).toEqual(['cloud-hypervisor-violation', true]);
  });

  it('can be cancelled until complete is sent, and not after (R12)', async () => {
    const cancel = new AbortController();
    const { sender, result, guest } = await pair({ senderSignal: cancel.signal });
    guest.during = async (step) => {
      if (step === 'complete') cancel.abort(new Error('too late'));
    };
    await sender.start();
    await sender.sendConfig(config);
    await sender.sendState(state);
    await sender.complete();
    expect((await result).ok).toBe(true);

    const early = new AbortController();
    const other = await pair({ senderSignal: early.signal });
    await other.sender.start();
    await other.sender.sendConfig(config);
    await other.sender.sendState(state);
    early.abort(new Error('the operator said so'));
    await expect(other.sender.complete()).rejects.toThrow('the operator said so');
    other.sender.close();
    expect((await failed(other.result)).message).toContain('in the state stateReceived');
    expect(other.guest.calls).not.toContain('run');
  });
});

describe('a local migration', () => {
  /** Stands for SCM_RIGHTS: the bytes go over the socket, the descriptors beside it. */
  function passing(sockets: { write?: Socket; read?: cloudHypervisor.Wire }) {
    const beside: number[] = [];
    const discarded: number[] = [];
    const descriptors: cloudHypervisor.DescriptorPassing = {
      async send(bytes, descriptor) {
        beside.push(descriptor);
        sockets.write?.write(bytes);
      },
      async receive(size, signal) {
        const bytes = await sockets.read?.read(size, signal);
        return { bytes: bytes ?? new Uint8Array(0), descriptor: beside.shift() ?? -1 };
      },
      discard: (descriptor) => discarded.push(descriptor),
    };
    return { descriptors, discarded };
  }

  async function localPair() {
    const sockets: { write?: Socket; read?: cloudHypervisor.Wire } = {};
    const { descriptors, discarded } = passing(sockets);
    const both = await pair({ descriptors });
    sockets.write = both.socket;
    sockets.read = new StreamWire(both.accepted);
    return { ...both, discarded };
  }

  it('passes every slot as a descriptor and no page', async () => {
    const { sender, result, guest } = await localPair();
    await sender.start();
    await sender.passMemory(1, 41);
    await sender.passMemory(0, 40);
    await sender.sendConfig(config);
    await sender.sendState(state);
    await sender.complete();
    expect(await result).toMatchObject({ ok: true, pageBytes: 0n });
    expect(guest.calls).toEqual(['adopt 1', 'adopt 0', 'configure', 'restore', 'run']);
    expect([...guest.adopted]).toEqual([
      [1, 41],
      [0, 40],
    ]);
  });

  it.each([
    ['one slot has none', [0], /has the slot 1, for which no descriptor came/],
    ['one has no slot', [0, 1, 2], /has 2 slots, but 3 descriptors came/],
  ])('is refused when %s: that memory would be empty (R3)', async (_, given, message) => {
    const { sender, result, guest } = await localPair();
    await sender.start();
    for (const slot of given) await sender.passMemory(slot, 40 + slot);
    expect((await failure(sender.sendConfig(config))).code).toBe('cloud-hypervisor-refused');
    expect((await failed(result)).message).toMatch(message);
    expect(guest.calls).not.toContain('configure');
  });

  it('closes the descriptor of a slot that comes twice', async () => {
    const { sender, result, discarded } = await localPair();
    await sender.start();
    await sender.passMemory(0, 40);
    expect((await failure(sender.passMemory(0, 41))).code).toBe('cloud-hypervisor-refused');
    expect((await failed(result)).message).toContain('memory-fd.slot is 0, which came before');
    expect(discarded).toEqual([41]);
  });

  it('is refused where the connection cannot pass descriptors, before anything is sent', async () => {
    const { sender, result, socket } = await pair();
    await sender.start();
    expect((await failure(sender.passMemory(0, 1))).code).toBe('cloud-hypervisor-descriptors');
    expect(sender.state).toBe('started');
    // A sender that can, to a receiver that cannot.
    socket.write(cloudHypervisor.encodeRequest({ command: 'memoryFd', version: 0, length: 4 }));
    expect((await failed(result)).code).toBe('cloud-hypervisor-descriptors');
  });
});
