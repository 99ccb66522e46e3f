import { type Duplex, duplexPair } from 'node:stream';
import { DroverError } from '@drover/types';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  ControlChannel,
  type ControlChannelSettings,
  ControlType,
  encodeControlFrame,
  encodeControlMessage,
  PeerLimits,
  PeerRefusal,
  type ToldMessage,
} from '../src/index.js';

const migrationId = '6f1c2f0a-5b8e-4c1d-9a77-0d2a4b6c8e10';
const soon = { timeoutMs: 2_000 };

const open: ControlChannel[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const channel of open.splice(0)) channel.close();
});

/** A channel, and the raw other end of its stream. */
function channelAndWire(settings: ControlChannelSettings = {}): { channel: ControlChannel; wire: Duplex } {
  const [stream, wire] = duplexPair();
  wire.on('error', () => undefined);
  const channel = new ControlChannel({ stream, version: 1, ...settings });
  open.push(channel);
  return { channel, wire };
}

function channelPair(settings: ControlChannelSettings = {}): [ControlChannel, ControlChannel] {
  const [a, b] = duplexPair();
  const pair = [
    new ControlChannel({ stream: a, version: 1, ...settings }),
    new ControlChannel({ stream: b, version: 1, ...settings }),
  ] as [ControlChannel, ControlChannel];
  open.push(...pair);
  return pair;
}

/** The error that a promise rejects with. */
async function failure(promise: Promise<unknown>): Promise<DroverError> {
  const thrown = await promise.then(
    () => new Error('it did not reject'),
    (error: unknown) => error,
  );
  if (!(thrown instanceof DroverError)) throw thrown;
  return thrown;
}

/** Time that passes only when told to: so many ms in such steps, with room for the streams between. */
function fakeTime(): (ms: number, stepMs: number) => Promise<void> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
  return async (ms, stepMs) => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      vi.advanceTimersByTime(stepMs);
      await new Promise(setImmediate);
    }
  };
}

const ready = (sequence: number) => encodeControlMessage(1, 'ready', { loadMs: 1 }, sequence);

describe('a control channel', () => {
  it('carries messages both ways, in order, with their sequence numbers', async () => {
    const [a, b] = channelPair();
    await a.send('switchover', { lastRound: 3, verify: true });
    await a.send('verified', { digest: '0'.repeat(32) });
    await b.send('ready', { loadMs: 1.5 });
    expect(await b.expect(['switchover'], soon)).toEqual({
      ...{ name: 'switchover', version: 1, message: { lastRound: 3, verify: true } },
    });
    expect((await b.expect(['verified', 'abort'], soon)).name).toBe('verified');
    expect((await a.expect(['ready'], soon)).message.loadMs).toBe(1.5);
  });

  it('hands over a message that came before anybody waited for it, and one that comes later', async () => {
    const { channel, wire } = channelAndWire();
    wire.write(ready(0));
    await new Promise(setImmediate);
    expect((await channel.expect(['ready'], soon)).name).toBe('ready');
    const next = channel.expect(['ready'], soon);
    wire.write(ready(1));
    expect((await next).name).toBe('ready');
  });

  it('reads a message that comes byte by byte', async () => {
    const { channel, wire } = channelAndWire();
    for (const byte of ready(0)) wire.write(Buffer.of(byte));
    expect((await channel.expect(['ready'], soon)).name).toBe('ready');
  });

  it('tells optional messages to its listener and skips those it does not know', async () => {
    const told: ToldMessage[] = [];
    const { channel, wire } = channelAndWire({ onMessage: (received) => told.push(received) });
    const roundDone = { round: 2, wireBytes: '10', pagesRemaining: '0' };
    wire.write(encodeControlFrame({ type: 0xfff0, sequence: 0, payload: Buffer.from('?') }));
    wire.write(encodeControlMessage(1, 'keepalive', {}, 1));
    wire.write(encodeControlMessage(1, 'roundDone', roundDone, 2));
    wire.write(ready(3));
    await channel.expect(['ready'], soon);
    expect(told).toEqual([{ name: 'roundDone', version: 1, message: roundDone }]);
  });

  it('survives a listener that throws: the channel ends, the process does not', async () => {
    const { channel, wire } = channelAndWire({
      onMessage: () => {
        throw new Error('display is broken');
      },
    });
    wire.write(encodeControlMessage(1, 'roundDone', { round: 0, wireBytes: '1', pagesRemaining: '1' }, 0));
    expect((await channel.ended).message).toContain('display is broken');
  });

  it('refuses to send what the protocol does not allow, and goes on', async () => {
    const [a, b] = channelPair();
    const wrong = failure(a.send('ready', { loadMs: -1 }));
    expect(await wrong).toMatchObject({ code: 'message-unsendable' });
    await a.send('ready', { loadMs: 1 });
    expect((await b.expect(['ready'], soon)).name).toBe('ready');
  });
});

describe('a refusal', () => {
  it('rejects the wait with the peer’s own code, sentence and retry label', async () => {
    const [a, b] = channelPair();
    await b.send('refuse', { code: 'no-memory', message: 'Only 1 GiB is free.', retryable: true });
    const error = await failure(a.expect(['prepared'], soon));
    expect(error).toBeInstanceOf(PeerRefusal);
    expect(error).toMatchObject({
      code: 'no-memory',
      message: 'Only 1 GiB is free.',
      retryable: true,
      from: 'refuse',
    });
    expect(a.failure).toBeNull();
  });

  it('is still there after the peer has closed behind it', async () => {
    const [a, b] = channelPair();
    await b.send('refuse', { code: 'no-memory', message: 'Only 1 GiB is free.', retryable: true });
    b.close();
    expect((await a.ended).code).toBe('peer-closed');
    expect((await failure(a.expect(['prepared'], soon))).code).toBe('no-memory');
    expect((await failure(a.expect(['prepared'], soon))).code).toBe('peer-closed');
  });

  it('may also be an abort, and leaves the channel open for the answer', async () => {
    const [a, b] = channelPair();
    await a.send('abort', { migrationId, code: 'cancelled', message: 'The operator cancelled.' });
    const error = await failure(b.expect(['switchover'], soon));
    expect(error).toMatchObject({ code: 'cancelled', retryable: false, from: 'abort' });
    await b.send('aborted', {});
    expect((await a.expect(['aborted'], soon)).name).toBe('aborted');
  });

  it('is a message like others where it is expected', async () => {
    const [a, b] = channelPair();
    await a.send('abort', { migrationId, code: 'cancelled', message: 'x' });
    expect((await b.expect(['commit', 'abort'], soon)).name).toBe('abort');
  });

  it('cannot smuggle control characters into a log, nor a code of another form', async () => {
    const [a, b] = channelPair();
    await b.send('refuse', { code: 'Bad Code\n', message: 'a\u001b[2J\r\nb\u009b', retryable: false });
    expect(await failure(a.expect(['prepared'], soon))).toMatchObject({
      code: 'peer-refused',
      message: 'a [2J b',
    });
  });
});

describe('a violation', () => {
  it('is any mandatory message out of turn', async () => {
    const [a, b] = channelPair();
    await b.send('running', { journalMs: 1, resumeMs: 1 });
    const error = await failure(a.expect(['prepared', 'ready'], soon));
    expect(error).toMatchObject({
      code: 'peer-violation',
      message: 'The peer sent running where prepared or ready is due.',
    });
    expect(a.failure).toBe(error);
  });

  it.each([
    ['a frame with a wrong checksum', Buffer.from(ready(0)).fill(0, 12, 16), /control-frame\.crc/],
    ['a sequence number that is not next', ready(1), /control-frame\.sequence is 1, not 0/],
    ['a length above the limit', lengthOverLimit(), /control-frame\.length is 1048577/],
    [
      'a mandatory type that is not known',
      encodeControlFrame({ type: 0x77, sequence: 0, payload: Buffer.from('{}') }),
      /0x0077/,
    ],
    [
      'a payload that is not JSON',
      encodeControlFrame({ type: ControlType.ready, sequence: 0, payload: Buffer.from('{') }),
      /ready is not JSON/,
    ],
    [
      'a message of the wrong shape',
      encodeControlFrame({ type: ControlType.ready, sequence: 0, payload: Buffer.from('{}') }),
      /ready\.loadMs: is missing/,
    ],
    [
      'an optional message of the wrong shape',
      encodeControlFrame({ type: ControlType.roundDone, sequence: 0, payload: Buffer.from('{}') }),
      /roundDone/,
    ],
  ])('is %s, and the connection is gone (R6)', async (_, bytes, sentence) => {
    const { channel, wire } = channelAndWire();
    const waiting = failure(channel.expect(['ready'], soon));
    wire.write(bytes);
    const error = await waiting;
    expect(error.code).toBe('peer-violation');
    expect(error.message).toMatch(sentence);
    expect(await channel.ended).toBe(error);
    expect((await failure(channel.send('keepalive', {}))).code).toBe('peer-violation');
  });

  it('is a flood of messages that nothing waits for, and they are dropped (R6)', async () => {
    const { channel, wire } = channelAndWire();
    for (let sequence = 0; sequence <= PeerLimits.queuedMessages; sequence++) wire.write(ready(sequence));
    expect((await channel.ended).message).toMatch(/sent 17 control messages that nothing here waits for/);
    expect((await failure(channel.expect(['ready'], soon))).code).toBe('peer-violation');
  });
});

function lengthOverLimit(): Buffer {
  const header = Buffer.from(encodeControlFrame({ type: 8, sequence: 0, payload: new Uint8Array(0) }));
  header.writeUInt32LE(PeerLimits.controlPayloadBytes + 1, 4);
  return header;
}

describe('a wait', () => {
  it('ends at its deadline, and the channel goes on', async () => {
    const { channel, wire } = channelAndWire();
    const error = await failure(channel.expect(['ready', 'refuse'], { timeoutMs: 20 }));
    expect(error).toMatchObject({
      ...{
        code: 'peer-timeout',
        message: 'The peer did not send ready or refuse within 20 ms.',
        retryable: true,
      },
    });
    wire.write(ready(0));
    expect((await channel.expect(['ready'], soon)).name).toBe('ready');
  });

  it('ends when it is cancelled, with the reason given, and the channel goes on (R12)', async () => {
    const { channel, wire } = channelAndWire();
    const cancel = new AbortController();
    const reason = new Error('cancelled by the operator');
    const waiting = channel.expect(['ready'], { timeoutMs: 2_000, signal: cancel.signal });
    cancel.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(channel.expect(['ready'], { timeoutMs: 2_000, signal: cancel.signal })).rejects.toBe(reason);
    wire.write(ready(0));
    expect((await channel.expect(['ready'], soon)).name).toBe('ready');
  });

  it('without a deadline lasts as long as the peer is there (R4)', async () => {
    const pass = fakeTime();
    const [a, b] = channelPair();
    let settled = false;
    const waiting = a.expect(['commit'], { timeoutMs: null }).finally(() => {
      settled = true;
    });
    await pass(3_600_000, 1_000);
    expect(settled).toBe(false);
    await b.send('commit', { migrationId, epoch: '2' });
    expect((await waiting).name).toBe('commit');
  });

  it('is one at a time', async () => {
    const { channel } = channelAndWire();
    const first = failure(channel.expect(['ready'], soon));
    await expect(channel.expect(['ready'], soon)).rejects.toThrow('One wait at a time');
    channel.close();
    expect((await first).code).toBe('channel-closed');
  });
});

describe('the end of a channel', () => {
  it('comes as peer-closed when the peer closes between messages', async () => {
    const { channel, wire } = channelAndWire();
    const waiting = failure(channel.expect(['ready'], soon));
    wire.end();
    expect((await waiting).message).toBe(
      'The peer closed the control connection before the exchange was over.',
    );
  });

  it('comes as peer-closed when the peer closes inside a message', async () => {
    const { channel, wire } = channelAndWire();
    const waiting = failure(channel.expect(['ready'], soon));
    wire.end(ready(0).subarray(0, 20));
    expect(await waiting).toMatchObject({
      code: 'peer-closed',
      message: expect.stringMatching(/in the middle of a message/),
    });
  });

  it('is noticed when it came before the channel was made', async () => {
    const [stream] = duplexPair();
    stream.destroy();
    await new Promise(setImmediate);
    const before = performance.now();
    const channel = new ControlChannel({ stream, version: 1 });
    expect((await channel.ended).code).toBe('peer-closed');
    expect(performance.now() - before).toBeLessThan(2_000);
    expect((await failure(channel.send('keepalive', {}))).code).toBe('peer-closed');
  });

  it('comes as peer-silent when nothing arrives, though the peer is not gone', async () => {
    const { channel } = channelAndWire({ keepaliveMs: 20, idleTimeoutMs: 60 });
    expect(await channel.ended).toMatchObject({
      ...{
        code: 'peer-silent',
        message: 'The peer has sent nothing on the control connection for 60 ms.',
        retryable: true,
      },
    });
  });

  it('comes as peer-silent when the peer takes nothing, though it talks', async () => {
    const [stream, wire] = duplexPair({ writableHighWaterMark: 16, readableHighWaterMark: 16 });
    const channel = new ControlChannel({ stream, version: 1, keepaliveMs: 20, idleTimeoutMs: 80 });
    open.push(channel);
    let sequence = 0;
    const talk = setInterval(() => wire.write(encodeControlMessage(1, 'keepalive', {}, sequence++)), 20);
    const sending = Promise.allSettled([
      channel.send('refuse', { code: 'a', message: 'x'.repeat(4000), retryable: false }),
      channel.send('refuse', { code: 'a', message: 'x'.repeat(4000), retryable: false }),
    ]);
    expect((await channel.ended).message).toMatch(/has taken nothing/);
    clearInterval(talk);
    expect((await sending).map(({ status }) => status)).toContain('rejected');
  });

  it('does not come while both sides only keep each other company', async () => {
    const pass = fakeTime();
    const [a, b] = channelPair({ keepaliveMs: 200, idleTimeoutMs: 600 });
    await pass(60_000, 50);
    expect([a.failure, b.failure]).toEqual([null, null]);
  });

  it('lets out what was sent before this side closed', async () => {
    const [a, b] = channelPair();
    const sent = a.send('refuse', { code: 'x', message: 'y', retryable: false });
    a.close();
    await sent;
    expect((await b.expect(['refuse'], soon)).message.code).toBe('x');
    expect(a.failure?.code).toBe('channel-closed');
    a.close();
  });

  it('rejects what is sent or awaited afterwards', async () => {
    const { channel } = channelAndWire();
    channel.close();
    expect((await failure(channel.send('keepalive', {}))).code).toBe('channel-closed');
    expect((await failure(channel.expect(['ready'], soon))).code).toBe('channel-closed');
  });
});
