import { publicEndpoints } from '@drover/protocol/public';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApiError, ControlPlaneClient, type RetryPolicy } from '../src/index.js';
import { eachItem } from '../src/pages.js';
import { isRepeatable } from '../src/repeatable.js';
import { type Answer, fakeAgent, json, nobody } from './fake-agent.js';
import { host, migration, uuid } from './fleet-documents.js';

const atOnce: Partial<RetryPolicy> = { random: () => 0 };
const refusal = (status: number, code: string, retryable: boolean) =>
  json(status, { error: { code, message: `${code}.`, retryable } });
const hangUp: Answer = (_asked, response) => response.destroy();

describe('the client of the control plane', () => {
  it('has one method for each endpoint of the contract', () => {
    const methods = Object.getOwnPropertyNames(ControlPlaneClient.prototype);
    for (const name of Object.keys(publicEndpoints)) expect(methods).toContain(name);
  });

  it('asks with the method, path, query, version and body of the contract, and says who asks', async () => {
    const { url, asked } = await fakeAgent(
      json(200, { items: [host('a')], nextCursor: null }),
      json(200, host('a')),
    );
    const client = new ControlPlaneClient({ url: `${url}/`, actor: 'zoë@desk' });
    const page = await client.listHosts({ state: 'active', label: 'rack=1 2', limit: 7 });
    expect(page.items.map(({ name }) => name)).toEqual(['a']);
    expect(asked[0]).toMatchObject({
      method: 'GET',
      url: '/hosts?state=active&label=rack%3D1+2&limit=7',
      headers: { 'api-version': '1.0.0', 'drover-actor': 'zo?@desk' },
    });
    await client.labelHost('a/b', { rack: '1' });
    expect(asked[1]).toMatchObject({
      method: 'PUT',
      url: '/hosts/a%2Fb/labels',
      body: '{"labels":{"rack":"1"}}',
    });
  });

  it('refuses an answer of another form, and does not ask again', async () => {
    const { url, asked } = await fakeAgent(json(200, { ...host('a'), state: 'asleep' }));
    await expect(new ControlPlaneClient({ url }).getHost('a')).rejects.toMatchObject({
      code: 'control-plane-response-invalid',
    });
    expect(asked).toHaveLength(1);
  });

  it('says which versions there are where none is in common (R7)', async () => {
    const { url } = await fakeAgent(
      refusal(400, 'api-version-unknown', false),
      json(200, { apiVersions: ['7.0.0'] }),
    );
    await expect(new ControlPlaneClient({ url }).getHost('a')).rejects.toMatchObject({
      code: 'control-plane-version-unsupported',
      message: expect.stringMatching(/serves public API 7\.0\.0, and this client speaks 1\.0\.0/),
    });
  });
});

describe('sending again', () => {
  it('uses the same id each time, so that what is made is made once', async () => {
    const { url, asked } = await fakeAgent(hangUp, hangUp, json(202, migration('waiting')));
    const client = new ControlPlaneClient({ url, retries: atOnce });
    expect((await client.createMigration({ instance: 'web-1' })).state).toBe('waiting');
    expect(asked).toHaveLength(3);
    const ids = asked.map(({ body }) => JSON.parse(body).id);
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('leaves an id alone that the caller chose', async () => {
    const { url, asked } = await fakeAgent(json(202, migration('waiting')));
    await new ControlPlaneClient({ url }).createMigration({ id: uuid, instance: 'web-1' });
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ id: uuid, instance: 'web-1' });
  });

  it('is done at most as often as the policy says, and ends with the last reason', async () => {
    const { url, asked } = await fakeAgent(refusal(503, 'database-unavailable', true));
    const client = new ControlPlaneClient({ url, retries: { ...atOnce, attempts: 3 } });
    await expect(client.getHost('a')).rejects.toMatchObject({ code: 'database-unavailable', status: 503 });
    expect(asked).toHaveLength(3);
  });

  it.each([
    ['a refusal, even one that may pass', refusal(409, 'instance-busy', true)],
    ['an error that trying again does not help', refusal(500, 'internal', false)],
  ])('is not done after %s', async (_, answer) => {
    const { url, asked } = await fakeAgent(answer);
    const client = new ControlPlaneClient({ url, retries: atOnce });
    await expect(client.startInstance('web-1')).rejects.toBeInstanceOf(ApiError);
    expect(asked).toHaveLength(1);
  });

  it('is not done with what may not arrive twice, unless nothing has happened', async () => {
    const lost = await fakeAgent(hangUp);
    const client = new ControlPlaneClient({ url: lost.url, retries: atOnce });
    await expect(client.drainHost('a')).rejects.toMatchObject({ code: 'control-plane-unreachable' });
    expect(lost.asked).toHaveLength(1);
    const busy = await fakeAgent(refusal(503, 'database-unavailable', true), json(200, host('a')));
    const again = new ControlPlaneClient({ url: busy.url, retries: atOnce });
    await again.markHostLost('a', { confirm: 'a', reason: 'It burnt.' });
    expect(busy.asked).toHaveLength(2);
  });

  it('waits as long as Retry-After says, and does not come back where that is too long', async () => {
    const away: Answer = (_asked, response) => {
      const error = { code: 'database-unavailable', message: 'It is away.', retryable: true };
      response.writeHead(503, { 'retry-after': '1' }).end(JSON.stringify({ error }));
    };
    const first = await fakeAgent(away, json(200, host('a')));
    const startedAt = performance.now();
    await new ControlPlaneClient({ url: first.url, retries: atOnce }).getHost('a');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990);
    const second = await fakeAgent(away, json(200, host('a')));
    const impatient = new ControlPlaneClient({ url: second.url, retries: { ...atOnce, longestWaitMs: 500 } });
    await expect(impatient.getHost('a')).rejects.toMatchObject({
      code: 'database-unavailable',
      retryAfterMs: 1000,
    });
    expect(second.asked).toHaveLength(1);
  });

  it('stops at once when it is told to', async () => {
    const client = new ControlPlaneClient({
      url: await nobody(),
      retries: { firstWaitMs: 60_000, longestWaitMs: 60_000, giveUpMs: 600_000, random: () => 0.99 },
    });
    const stop = new AbortController();
    const asking = client.getHost('a', { signal: stop.signal });
    setTimeout(() => stop.abort(new Error('enough')), 50);
    await expect(asking).rejects.toThrow('enough');
  });

  it('takes a control plane that does not answer for one that may answer later', async () => {
    const { url, asked } = await fakeAgent(() => undefined, json(200, host('a')));
    const client = new ControlPlaneClient({ url, timeoutMs: 100, retries: atOnce });
    expect((await client.getHost('a')).name).toBe('a');
    expect(asked).toHaveLength(2);
  });

  it('is decided for each endpoint of the contract', () => {
    const once = Object.keys(publicEndpoints).filter(
      (name) => !isRepeatable(name as keyof typeof publicEndpoints),
    );
    expect(once).toEqual(['drainHost', 'markHostLost', 'resolveMigration']);
  });
});

describe('walking over a list', () => {
  it('yields every item once and in order, however the pages are cut, and asks for no page too many', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat()), fc.integer({ min: 1, max: 9 }), async (items, size) => {
        let asked = 0;
        const read = async ({ cursor = '0' }: { cursor?: string }) => {
          asked += 1;
          const start = Number(cursor);
          const end = start + size;
          return { items: items.slice(start, end), nextCursor: end < items.length ? String(end) : null };
        };
        const seen: number[] = [];
        for await (const item of eachItem(read)) seen.push(item);
        expect(seen).toEqual(items);
        expect(asked).toBe(Math.max(1, Math.ceil(items.length / size)));
      }),
    );
  });

  it('keeps the filter and asks for a page when it is needed', async () => {
    const { url, asked } = await fakeAgent(
      json(200, { items: [host('a')], nextCursor: 'x' }),
      json(200, { items: [host('b')], nextCursor: null }),
    );
    const hosts = new ControlPlaneClient({ url }).eachHost({ state: 'active', limit: 1 });
    expect((await hosts.next()).value).toMatchObject({ name: 'a' });
    expect(asked).toHaveLength(1);
    expect((await hosts.next()).value).toMatchObject({ name: 'b' });
    expect(asked.map((one) => one.url)).toEqual([
      '/hosts?state=active&limit=1',
      '/hosts?state=active&limit=1&cursor=x',
    ]);
  });
});
