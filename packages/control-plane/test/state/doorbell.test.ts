import { randomUUID } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { writeVmmState } from '@drover/types';
import { expect, it, onTestFinished } from 'vitest';
import { fullSpec, startTestPlane, until } from '../support/control-plane.js';
import { anyDatabase } from '../support/databases.js';

it('brings a new state in by a ring, long before the round would (R10)', async () => {
  const test = await startTestPlane({ watchPeriodMs: 600_000 });
  const host = await test.host();
  const { vmmId } = host.addInstance(fullSpec('web'));
  // The ring of a VMM that nobody knows says nothing; a registration makes the host be looked at.
  host.registeredAs = `${host.name}-renamed`;
  await host.register();
  await until(async () => (await test.ask('GET', `/vmms/${vmmId}`)).status === 200);
  host.publish(vmmId, { life: 'paused' });
  await until(async () => (await test.vmm(vmmId)).state.life === 'paused', 5_000);
});

it('is right within one period of the round when every doorbell is lost (R10)', async () => {
  const test = await startTestPlane({ watchPeriodMs: 1_500 });
  const hosts = [await test.host(), await test.host()];
  const vmms = hosts.flatMap((host) =>
    [1, 2, 3].map((n) => ({ host, id: host.addInstance(fullSpec(`${host.name}-${n}`)).vmmId })),
  );
  await until(async () => (await test.ask<{ items: unknown[] }>('GET', '/vmms')).body.items.length === 6);
  for (const { host, id } of vmms) {
    host.dropDoorbells = true;
    host.publish(id, { life: 'paused' });
  }
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  // The round began within the period; what it asked for arrives a moment later.
  await until(
    async () =>
      (await Promise.all(vmms.map(({ id }) => test.vmm(id)))).every(({ state }) => state.life === 'paused'),
    3_000,
  );
});

it('answers 404 to a flood of rings for VMMs that do not exist, and does not grow', async () => {
  const test = await startTestPlane();
  await test.host();
  const before = process.memoryUsage().heapUsed;
  for (let batch = 0; batch < 30; batch += 1) {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => test.ask('POST', `/doorbells/vmms/${randomUUID()}`)),
    );
    for (const { status, body } of answers) {
      expect(status).toBe(404);
      expect(body.error.code).toBe('vmm-not-found');
    }
  }
  expect((await test.ask('POST', '/doorbells/vmms/%00')).status).toBe(404);
  expect((await test.ask('POST', '/doorbells/nothing/x')).body.error.code).toBe('endpoint-not-found');
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
});

it('reads no body of a ring, checks that of an upcall and then ignores it', async () => {
  const test = await startTestPlane({ watchPeriodMs: 600_000 });
  const host = await test.host();
  const { vmmId } = host.addInstance(fullSpec('web'));
  host.registeredAs = 'renamed';
  await host.register();
  await until(async () => (await test.ask('GET', `/vmms/${vmmId}`)).status === 200);
  expect((await test.ask('POST', `/doorbells/vmms/${vmmId}`, '{"not json')).status).toBe(204);
  host.dropDoorbells = true;
  const state = host.publish(vmmId, { life: 'paused' }).state;
  const lie = { ...writeVmmState({ ...state, life: 'failed', generation: '99' }, [1]) };
  expect((await test.ask('PUT', `/vmms/${vmmId}`, lie)).status).toBe(204);
  await until(async () => (await test.vmm(vmmId)).state.life === 'paused', 5_000);
  expect((await test.vmm(vmmId)).state.generation).toBe(state.generation);
  expect((await test.ask('PUT', `/vmms/${vmmId}`, { ...lie, version: 2 })).body.error.code).toBe(
    'request-invalid',
  );
  expect((await test.ask('PUT', `/vmms/${randomUUID()}`, lie)).body.error.code).toBe('vmm-not-found');
});

it('answers 204 at once while the database hangs, and 503 with Retry-After to what needs it; then goes on', {
  timeout: 90_000,
}, async () => {
  const database = await anyDatabase();
  if (!database.url.startsWith('postgres:')) return;
  const proxy = await startProxy(new URL(database.url));
  const url = new URL(database.url);
  url.port = String(proxy.port);
  const test = await startTestPlane({ watchPeriodMs: 1_000 }, { ...database, url: url.href });
  const host = await test.host();
  const { vmmId } = host.addInstance(fullSpec('web'));
  await until(async () => (await test.ask('GET', `/vmms/${vmmId}`)).status === 200);

  proxy.hang();
  const start = performance.now();
  const rings = await Promise.all(
    Array.from({ length: 50 }, () => test.ask('POST', `/doorbells/vmms/${vmmId}`)),
  );
  expect(new Set(rings.map(({ status }) => status))).toEqual(new Set([204]));
  // Not a measure of speed: far below any time-out of the database.
  expect(performance.now() - start).toBeLessThan(2_500);
  host.publish(vmmId, { life: 'paused' });

  proxy.cut();
  await until(async () => {
    const { status, headers, body } = await test.ask('GET', '/hosts');
    if (status !== 503) return false;
    expect(body.error).toMatchObject({ code: 'database-unavailable', retryable: true });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    return true;
  }, 30_000);
  expect((await test.ask('GET', '/readyz')).status).toBe(503);
  expect((await test.ask('GET', '/healthz')).status).toBe(200);
  expect((await host.register()).status, 'a sign of life needs no database').toBe(200);

  proxy.restore();
  await until(async () => (await test.ask('GET', `/vmms/${vmmId}`)).status === 200, 30_000);
  await until(async () => (await test.vmm(vmmId)).state.life === 'paused', 30_000);
  expect((await test.ask('GET', '/readyz')).status).toBe(200);
});

/** Stands before the database: passes everything on, hangs, or cuts every connection. */
async function startProxy(to: URL) {
  let state: 'open' | 'hang' | 'cut' = 'open';
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    if (state === 'cut') {
      client.destroy();
      return;
    }
    const upstream = connect(Number(to.port), to.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (data) => state === 'open' && upstream.write(data));
    upstream.on('data', (data) => state === 'open' && client.write(data));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    hang: () => {
      state = 'hang';
    },
    cut: () => {
      state = 'cut';
      for (const socket of sockets) socket.destroy();
    },
    restore: () => {
      state = 'open';
    },
  };
}
