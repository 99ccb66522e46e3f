import { randomUUID } from 'node:crypto';
import type { FleetInstance, HostView } from '@drover/protocol';
import { expect, it } from 'vitest';
import { spec, startTestPlane, until } from '../support/control-plane.js';

it('refuses a version that it does not serve before anything happens, and lists those that it does (R7)', async () => {
  const test = await startTestPlane();
  const id = randomUUID();
  const body = { name: 'north', url: 'http://127.0.0.1:1' };
  const refused = await test.ask('PUT', `/hosts/${id}`, body, { 'api-version': '7.0.0' });
  expect(refused).toMatchObject({ status: 400, body: { error: { code: 'api-version-unknown' } } });
  expect(refused.body.error.message).toContain('1.0.0');
  expect((await test.ask('GET', `/hosts/${id}`)).body.error.code).toBe('host-not-found');
  const { body: greeting } = await test.ask<{ apiVersions: string[]; service: string }>(
    'GET',
    '/',
    undefined,
    {
      'api-version': '7.0.0',
    },
  );
  expect(greeting).toMatchObject({ service: 'drover-control-plane', apiVersions: ['1.0.0'] });
  expect((await test.ask('GET', '/hosts')).headers.get('api-version')).toBe('1.0.0');
});

it('refuses what is too large, malformed or not in the contract, each by its own code (R6)', async () => {
  const test = await startTestPlane();
  const codes: [string, string, string, unknown][] = [
    ['request-too-large', 'POST', '/instances', { spec: 'x'.repeat(1 << 20) }],
    ['request-invalid', 'POST', '/instances', '{"spec": {"a": 1, "a": 2}}'],
    ['request-invalid', 'POST', '/instances', 'nonsense'],
    ['request-invalid', 'POST', '/instances', { spec: spec('a'), colour: 'blue' }],
    ['request-invalid', 'POST', '/instances', undefined],
    ['spec-invalid', 'POST', '/instances', { spec: { ...spec('a'), body: {} } }],
    ['spec-version-unknown', 'POST', '/instances', { spec: { ...spec('a'), version: 99 } }],
    ['request-invalid', 'PUT', '/hosts/not-a-uuid', { name: 'a', url: 'http://a' }],
    ['request-invalid', 'PUT', `/hosts/${randomUUID()}`, { name: '../a', url: 'http://a' }],
    ['request-invalid', 'PUT', `/hosts/${randomUUID()}`, { name: 'a', url: 'file:///etc/passwd' }],
    ['request-invalid', 'GET', '/hosts?limit=0', undefined],
    ['request-invalid', 'GET', '/hosts?limit=100000', undefined],
    ['request-invalid', 'GET', '/events?kinds=host,weather', undefined],
    ['host-not-found', 'GET', '/hosts/nobody', undefined],
    ['request-invalid', 'GET', '/hosts/%00', undefined],
    ['host-not-found', 'GET', '/instances?host=nobody', undefined],
    ['instance-not-found', 'GET', '/instances/nobody', undefined],
    ['instance-not-found', 'POST', '/instances/nobody/start', undefined],
    ['vmm-not-found', 'GET', '/vmms/nobody', undefined],
    ['migration-not-found', 'GET', `/migrations/${randomUUID()}/events`, undefined],
    ['no-host-fits', 'POST', '/instances', { spec: spec('a') }],
    ['endpoint-not-found', 'PATCH', '/hosts', undefined],
  ];
  for (const [code, method, path, body] of codes) {
    const answer = await test.ask(method, path, body);
    expect(answer.body?.error?.code, `${method} ${path} ${JSON.stringify(answer.body)}`).toBe(code);
    expect(answer.body.error.message).toMatch(/\.$/);
  }
  expect((await test.ask('GET', '/audit')).status).toBe(200);
});

it('keeps names of hosts and of instances unique, also when both ask at once', async () => {
  const test = await startTestPlane();
  const ids = [randomUUID(), randomUUID(), randomUUID()];
  const answers = await Promise.all(
    ids.map((id) => test.ask('PUT', `/hosts/${id}`, { name: 'north', url: 'http://127.0.0.1:1' })),
  );
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409]);
  expect(answers.filter(({ status }) => status === 409).map(({ body }) => body.error.code)).toEqual([
    'host-name-taken',
    'host-name-taken',
  ]);
  await test.host({ name: 'south' });
  const made = await Promise.all([1, 2, 3].map(() => test.ask('POST', '/instances', { spec: spec('web') })));
  expect(made.map(({ status }) => status).toSorted()).toEqual([201, 409, 409]);
});

it('answers the same request with the same id by what is there, and another one with a refusal', async () => {
  const test = await startTestPlane();
  const host = await test.host();
  const id = randomUUID();
  const request = { id, spec: spec('web'), labels: { b: '2', a: '1' } };
  const [first, second] = await Promise.all([
    test.ask<FleetInstance>('POST', '/instances', request),
    test.ask<FleetInstance>('POST', '/instances', request),
  ]);
  const third = await test.ask<FleetInstance>('POST', '/instances', {
    ...request,
    labels: { a: '1', b: '2' },
  });
  for (const { status, body } of [first, second, third])
    expect({ status, id: body.id }).toEqual({ status: 201, id });
  expect((await test.ask('POST', '/instances', { ...request, spec: spec('other') })).body.error.code).toBe(
    'instance-already-here',
  );
  await until(() => host.instances.size === 1);
  expect(host.requests.filter(({ endpoint }) => endpoint === 'createInstance').length).toBeGreaterThan(0);
  expect([...host.instances.keys()]).toEqual([id]);
});

it('keeps to placement: labels, groups that are kept apart, room, a host by name', async () => {
  const test = await startTestPlane();
  const small = await test.host({ name: 'small', memoryBytes: 1024 ** 3, labels: { disk: 'ssd' } });
  const large = await test.host({ name: 'large' });
  const on = async (name: string, placement: object, change = {}) => {
    const { status, body } = await test.ask<FleetInstance & { error: { code: string; message: string } }>(
      'POST',
      '/instances',
      { spec: spec(name, change), placement },
    );
    if (status !== 201) return body.error.code;
    await until(async () => (await test.instance(name)).vmm !== null);
    return (await test.instance(name)).vmm?.hostName;
  };
  expect(await on('a', { labels: { disk: 'ssd' } })).toBe('small');
  expect(await on('b', { host: small.id }, { memoryMiB: 1024 })).toBe('no-host-fits');
  expect(await on('c', { antiAffinity: 'db' })).toBe('large');
  expect(await on('d', { antiAffinity: 'db' })).toBe('small');
  expect(await on('e', { antiAffinity: 'db' })).toBe('no-host-fits');
  expect(await on('f', { host: 'large', labels: { disk: 'ssd' } })).toBe('no-host-fits');
  expect(large.instances.size).toBe(1);
  expect(small.instances.size).toBe(2);
});

it('never promises the same room twice', async () => {
  const test = await startTestPlane();
  const host = await test.host({ memoryBytes: 2 * 1024 ** 3 });
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, n) => test.ask('POST', '/instances', { spec: spec(`i-${n}`) })),
  );
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(4);
  expect(new Set(answers.filter(({ status }) => status !== 201).map(({ body }) => body.error.code))).toEqual(
    new Set(['no-host-fits']),
  );
  await until(() => host.instances.size === 4);
  const { body } = await test.ask<HostView>('GET', `/hosts/${host.id}`);
  expect(body.capacity).toMatchObject({ memoryBytesUsed: 2 * 1024 ** 3 });
});

it('lets an operator’s labels stand, whatever the host registers with afterwards', async () => {
  const test = await startTestPlane();
  const host = await test.host({ labels: { zone: 'a' } });
  await test.ask('PUT', `/hosts/${host.name}/labels`, { labels: { zone: 'b' } });
  host.registeredAs = 'renamed';
  await host.register();
  const { body } = await test.ask<HostView>('GET', '/hosts/renamed');
  expect(body.labels).toEqual({ zone: 'b' });
});
