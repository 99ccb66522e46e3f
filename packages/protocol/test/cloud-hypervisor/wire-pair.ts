/** A migration's two ends over a unix socket, with guest memory that shows what went wrong. What is made here ends with the test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DroverError } from '@drover/types';
import { afterEach, vi } from 'vitest';
import { cloudHypervisor } from '../../src/index.js';
import { configOf, MemoryFile, RecordedGuest, slotOf } from './guests.js';

const { MigrationReceiver, MigrationSender, RangeTable, StreamWire } = cloudHypervisor;

export const MiB = 1 << 20;
/** 8 MiB below and 8 MiB above 4 GiB, in one file. */
export const slots = [slotOf(0, 0, 8 * MiB), slotOf(1, 2 ** 32, 8 * MiB, 8 * MiB)];
export const config = configOf(slots);
export const state = new TextEncoder().encode(
  '{"snapshots":{},"snapshot_data":{"state":"{\\"rip\\":18446744073709551615}"}}',
);
export const allMemory = RangeTable.of([
  { gpa: 0n, length: BigInt(8 * MiB) },
  { gpa: 1n << 32n, length: BigInt(8 * MiB) },
]);
export const patient: cloudHypervisor.Deadlines = {
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
export async function listen(): Promise<{ dial(): Promise<Socket>; accepted(): Promise<Socket> }> {
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
export function sourceMemory(): { file: MemoryFile; bytes: Buffer } {
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
export async function pair(
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

export async function failure(promise: Promise<unknown>): Promise<DroverError> {
  const thrown = await promise.then(
    () => new Error('it did not reject'),
    (error: unknown) => error,
  );
  if (!(thrown instanceof DroverError)) throw thrown;
  return thrown;
}

/** How it failed at the receiver. */
export async function failed(result: Promise<cloudHypervisor.ReceiverResult>): Promise<DroverError> {
  const ended = await result;
  if (ended.ok || !(ended.error instanceof DroverError)) throw new Error(`ended ${JSON.stringify(ended.ok)}`);
  return ended.error;
}
