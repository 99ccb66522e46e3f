import { connect, createServer, type Server, type Socket } from 'node:net';
import { DroverError } from '@drover/types';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type AcceptControlResult,
  type AnyControlChannel,
  acceptControl,
  type ControlChannel,
  connectControl,
  encodePreamble,
  type PeerVersion,
} from '../src/index.js';
import { readExactly } from '../src/peer/read-exactly.js';

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const act of cleanUp.splice(0)) act();
});

/** A server on a port of its own; what it does with each connection is the test's. */
async function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUp.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A responder that reads the preamble and accepts, as an agent does. */
async function listenAsAgent(
  versions?: readonly PeerVersion[],
): Promise<{ port: number; result: Promise<AcceptControlResult> }> {
  let resolve: (result: AcceptControlResult) => void;
  const result = new Promise<AcceptControlResult>((settle) => {
    resolve = settle;
  });
  const port = await listen(async (socket) => {
    const preamble = await readExactly(socket, 16, AbortSignal.timeout(2_000));
    const accepted = acceptControl({ socket, preamble, ...(versions ? { versions } : {}) });
    if (accepted.ok) keep(accepted.channel);
    resolve(accepted);
  });
  return { port, result };
}

function keep(channel: AnyControlChannel): AnyControlChannel {
  cleanUp.push(() => channel.close());
  return channel;
}

function dial(port: number, more: Partial<Parameters<typeof connectControl>[0]> = {}) {
  return connectControl({ host: '127.0.0.1', port, timeoutMs: 2_000, ...more });
}

async function failure(promise: Promise<unknown>): Promise<DroverError> {
  const thrown = await promise.then(
    () => new Error('it did not reject'),
    (error: unknown) => error,
  );
  if (!(thrown instanceof DroverError)) throw thrown;
  return thrown;
}

describe('opening a control connection', () => {
  it('ends in a channel on both sides, with the highest common version', async () => {
    for (const [ours, theirs, agreed] of [
      [[1, 2], [1, 2], 2],
      [[1], [1, 2], 1],
      [[1, 2], [1], 1],
      [[2], [1, 2], 2],
    ] as const) {
      const { port, result } = await listenAsAgent(theirs);
      const channel: ControlChannel = keep(await dial(port, { versions: ours }));
      const accepted = await result;
      if (!accepted.ok) throw accepted.error;
      const other: ControlChannel = accepted.channel;
      expect([channel.version, other.version]).toEqual([agreed, agreed]);
      await other.send('ready', { loadMs: 2 });
      expect((await channel.expect(['ready'], { timeoutMs: 2_000 })).message.loadMs).toBe(2);
    }
  });

  it('takes the newest of ours from a peer that speaks later ones too', async () => {
    const port = await listen((socket) => {
      socket.once('data', () => socket.write(encodePreamble({ oldest: 2, newest: 9, role: 'control' })));
    });
    expect(keep(await dial(port)).version).toBe(2);
  });

  it('does not lose what the peer sends in one piece with its preamble', async () => {
    const port = await listen((socket) => {
      socket.once('data', (preamble) => {
        const accepted = acceptControl({ socket, preamble });
        if (accepted.ok) void keep(accepted.channel).send('outcome', { outcome: 'ready', epoch: '7' });
      });
    });
    const channel: ControlChannel = keep(await dial(port));
    expect((await channel.expect(['outcome'], { timeoutMs: 2_000 })).message.epoch).toBe('7');
  });

  it('is over for the peer too when it breaks the protocol', async () => {
    const { port, result } = await listenAsAgent();
    const channel: ControlChannel = keep(await dial(port));
    const accepted = await result;
    if (!accepted.ok) throw accepted.error;
    const other: ControlChannel = accepted.channel;
    await other.send('running', { journalMs: 1, resumeMs: 1 });
    expect((await failure(channel.expect(['ready'], { timeoutMs: 2_000 }))).code).toBe('peer-violation');
    expect((await accepted.channel.ended).code).toBe('peer-closed');
  });

  it('without a common version is refused on both sides, each naming both windows (R7)', async () => {
    const { port, result } = await listenAsAgent([2]);
    const error = await failure(dial(port, { versions: [1] }));
    expect(error).toMatchObject({
      code: 'peer-version-unknown',
      message:
        'This side speaks peer protocol version 1, the peer version 2: no version is common; upgrade this side.',
      retryable: false,
    });
    const refused = await result;
    expect(refused).toMatchObject({ ok: false, error: { code: 'peer-version-unknown' } });
    expect(refused.ok ? '' : refused.error.message).toMatch(
      /speaks peer protocol version 2, the peer version 1: .*upgrade the peer\./,
    );
  });

  it('to nobody says so with the address', async () => {
    const port = await listen(() => undefined);
    for (const act of cleanUp.splice(0)) act();
    expect(await failure(dial(port))).toMatchObject({
      ...{ code: 'peer-unreachable', retryable: true },
      message: expect.stringContaining(`No connection to the peer at 127.0.0.1:${port}`),
    });
    expect((await failure(dial(1, { host: 'no-such-host.invalid' }))).code).toBe('peer-unreachable');
  });

  it('to somebody who never answers ends at the deadline', async () => {
    const port = await listen(() => undefined);
    const error = await failure(dial(port, { timeoutMs: 50 }));
    expect(error).toMatchObject({
      code: 'peer-unreachable',
      message: expect.stringContaining('within 50 ms'),
    });
  });

  it('to somebody who is no Drover peer is a violation', async () => {
    const port = await listen((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await failure(dial(port))).toMatchObject({
      code: 'peer-violation',
      message: expect.stringContaining('no Drover peer'),
    });
    const other = await listen((socket) =>
      socket.write(encodePreamble({ oldest: 1, newest: 1, role: 'bulk' })),
    );
    expect((await failure(dial(other))).message).toContain('answered with the role bulk');
  });

  it('to somebody who hangs up after some bytes is peer-closed', async () => {
    const port = await listen((socket) => socket.end('DRVR'));
    expect((await failure(dial(port))).code).toBe('peer-closed');
  });

  it('can be cancelled before and while it lasts, and leaves no socket (R12)', async () => {
    const cancel = new AbortController();
    let gone: Promise<void> | null = null;
    const port = await listen((socket) => {
      gone = new Promise((resolve) => socket.once('close', () => resolve()));
      socket.resume();
      setTimeout(() => cancel.abort(new Error('enough')), 20);
    });
    await expect(dial(port, { signal: cancel.signal })).rejects.toThrow('enough');
    await gone;
    expect(gone).not.toBeNull();
    await expect(dial(port, { signal: cancel.signal })).rejects.toThrow('enough');
  });
});

describe('accepting a control connection', () => {
  it('closes without an answer what does not begin as it should (R6)', async () => {
    const preambles = [
      Buffer.from('GET / HTTP/1.1\r\n'),
      encodePreamble({ oldest: 1, newest: 1, role: 'fault' }),
      new Uint8Array(3),
    ];
    for (const preamble of preambles) {
      const port = await listen((socket) => {
        expect(acceptControl({ socket, preamble })).toMatchObject({
          ok: false,
          error: { code: 'peer-violation' },
        });
      });
      const socket = connect({ host: '127.0.0.1', port });
      const received: Buffer[] = [];
      socket.on('data', (chunk) => received.push(chunk));
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('close', resolve));
      expect(Buffer.concat(received)).toHaveLength(0);
    }
  });

  it('does not let a refusal be lost to bytes that nobody read', async () => {
    const { port } = await listenAsAgent([2]);
    const socket = connect({ host: '127.0.0.1', port });
    cleanUp.push(() => socket.destroy());
    const closed = new Promise<boolean>((resolve) => socket.once('close', resolve));
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    socket.write(encodePreamble({ oldest: 1, newest: 1, role: 'control' }));
    socket.write(Buffer.alloc(100_000));
    // false: it closed without a reset.
    expect(await closed).toBe(false);
    expect(Buffer.concat(received)).toEqual(
      Buffer.from(encodePreamble({ oldest: 2, newest: 2, role: 'control' })),
    );
  });
});
