import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { connectQmp, type QmpClient, QmpErrorReply, type QmpOptions } from '../src/qmp/client.js';
import { type FakeQmp, fakeQmp, GREETING, refusal } from './support/fake-qmp.js';
import { temporaryDirectory } from './support/temporary.js';

const options: QmpOptions = {
  peer: 'QEMU',
  handshakeTimeoutMs: 2000,
  commandTimeoutMs: 2000,
  maxLineBytes: 10_000,
  lastWords: () => 'it burns',
};

function connect(fake: Pick<FakeQmp, 'path'>, changed: Partial<QmpOptions> = {}): Promise<QmpClient> {
  return connectQmp({ ...options, ...changed, path: fake.path });
}

describe('the monitor handshake', () => {
  it('waits for the greeting and agrees on capabilities', async () => {
    const fake = await fakeQmp({ greeting: null });
    const connecting = connect(fake);
    await sleep(50);
    expect(fake.commands).toEqual([]);
    fake.say(GREETING.slice(0, 20));
    await sleep(20);
    fake.say(GREETING.slice(20));
    const qmp = await connecting;
    expect(qmp.version).toBe('7.2.22');
    expect(fake.commands.map(({ execute }) => execute)).toEqual(['qmp_capabilities']);
    qmp.close();
  });

  it('ends at its deadline when no greeting comes (R6)', async () => {
    const fake = await fakeQmp({ greeting: null });
    await expect(connect(fake, { handshakeTimeoutMs: 60 })).rejects.toMatchObject({ code: 'qmp-timeout' });
  });

  it('waits for a socket that is not there yet, and not for ever', async () => {
    const path = `${temporaryDirectory()}/late.sock`;
    const connecting = connect({ path });
    await sleep(50);
    await fakeQmp({ path });
    (await connecting).close();
    await expect(connect({ path: `${path}.never` }, { handshakeTimeoutMs: 50 })).rejects.toMatchObject({
      code: 'qmp-timeout',
    });
  });

  it('can be cancelled at any moment of it (R12)', async () => {
    const fake = await fakeQmp({ greeting: null });
    for (const path of [fake.path, `${fake.path}.never`]) {
      const abort = new AbortController();
      const connecting = connectQmp({ ...options, path, signal: abort.signal });
      setTimeout(() => abort.abort(), 20);
      await expect(connecting).rejects.toMatchObject({ code: 'qmp-cancelled' });
    }
  });

  it('refuses what is not QMP', async () => {
    const fake = await fakeQmp({ greeting: 'SSH-2.0-OpenSSH\r\n' });
    await expect(connect(fake)).rejects.toMatchObject({ code: 'qmp-protocol' });
  });
});

describe('monitor commands', () => {
  it('get their own answers by id, whatever the order', async () => {
    const held: number[] = [];
    const fake = await fakeQmp({
      answer: ({ id }) => {
        held.push(id);
        return undefined;
      },
    });
    const qmp = await connect(fake);
    const answers = Promise.all([qmp.execute('a'), qmp.execute('b'), qmp.execute('c')]);
    while (held.length < 3) await sleep(1);
    for (const id of held.reverse()) fake.say(`{"return":"answer ${id}","id":${id}}\n`);
    expect(await answers).toEqual(held.reverse().map((id) => `answer ${id}`));
    qmp.close();
  });

  it("fail with QEMU's own words", async () => {
    const fake = await fakeQmp({ answer: () => refusal('the moon is full') });
    const qmp = await connect(fake);
    const error = await qmp.execute('cont').catch((thrown: Error) => thrown);
    expect(error).toMatchObject({
      code: 'qmp-command-failed',
      message: 'QEMU refused cont: the moon is full',
      cause: expect.any(QmpErrorReply),
    });
    qmp.close();
  });

  it('end at their deadline, and a late answer harms nobody (R6)', async () => {
    const fake = await fakeQmp({ answer: ({ execute }) => (execute === 'slow' ? undefined : 'quick') });
    const qmp = await connect(fake);
    await expect(qmp.execute('slow', {}, { timeoutMs: 30 })).rejects.toMatchObject({ code: 'qmp-timeout' });
    const late = fake.commands.find(({ execute }) => execute === 'slow')?.id;
    fake.say(`{"return":{},"id":${late}}\n`);
    expect(await qmp.execute('next')).toBe('quick');
    qmp.close();
  });

  it('can be cancelled, before and while they wait', async () => {
    const qmp = await connect(await fakeQmp({}));
    const abort = new AbortController();
    const waiting = qmp.execute('slow', {}, { signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'qmp-cancelled' });
    await expect(qmp.execute('slow', {}, { signal: abort.signal })).rejects.toMatchObject({
      code: 'qmp-cancelled',
    });
    qmp.close();
  });

  it('all fail at once when QEMU closes in the middle of an answer, with its last words', async () => {
    const fake = await fakeQmp({
      answer: (_command, { say, hangUp }) => {
        say('{"return":');
        setTimeout(hangUp, 10);
        return undefined;
      },
    });
    const qmp = await connect(fake);
    const ended = new Promise((resolve) => qmp.onEnd(resolve));
    const results = await Promise.allSettled([
      qmp.execute('a'),
      qmp.execute('b'),
      qmp.next('event', () => 1),
    ]);
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'qmp-closed' } });
      expect(String((result as PromiseRejectedResult).reason)).toContain('it burns');
    }
    expect(await ended).toMatchObject({ code: 'qmp-closed' });
    await expect(qmp.execute('c')).rejects.toMatchObject({ code: 'qmp-closed' });
  });

  it.each([
    ['garbage', 'not json\n'],
    ['a line over the limit', `"${'x'.repeat(20_000)}`],
    ['an answer to nothing', '{"return":{},"id":99}\n'],
    ['an error without an id', '{"error":{"class":"GenericError","desc":"JSON parse error"}}\n'],
  ])('all fail, and the connection ends, on %s (R6)', async (_what, text) => {
    const fake = await fakeQmp({
      answer: (_command, { say }) => {
        say(text);
        return undefined;
      },
    });
    const qmp = await connect(fake);
    await expect(qmp.execute('a')).rejects.toMatchObject({ code: 'qmp-protocol' });
    expect(qmp.ended).not.toBeNull();
  });
});

describe('monitor events', () => {
  it('are heard before the answer that follows them', async () => {
    const fake = await fakeQmp({
      answer: (_command, { event }) => {
        event('STOP');
        return {};
      },
    });
    const qmp = await connect(fake);
    const heard: string[] = [];
    const stop = qmp.onEvent(({ name }) => heard.push(name));
    await qmp.execute('stop');
    expect(heard).toEqual(['STOP']);
    stop();
    await qmp.execute('stop');
    expect(heard).toEqual(['STOP']);
    qmp.close();
  });

  it('are awaited from the call on, with a deadline', async () => {
    const fake = await fakeQmp({});
    const qmp = await connect(fake);
    const waiting = qmp.next('b', ({ name, data }) => (name === 'B' ? data.n : undefined));
    fake.event('A', { n: 1 });
    fake.event('B', { n: 2 });
    expect(await waiting).toBe(2);
    await expect(qmp.next('c', () => undefined, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'qmp-timeout',
    });
    qmp.close();
  });
});
