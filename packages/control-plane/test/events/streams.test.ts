import { request } from 'node:http';
import { ControlPlaneClient } from '@drover/client';
import type { FleetEvent } from '@drover/protocol';
import { expect, it, onTestFinished } from 'vitest';
import { fullSpec, startTestPlane, type TestPlane, until } from '../support/control-plane.js';

interface Seen {
  readonly id: bigint;
  readonly event: FleetEvent;
}

function watch(test: TestPlane, lastEventId?: string, kinds?: FleetEvent['kind'][]) {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const seen: Seen[] = [];
  const client = new ControlPlaneClient({ url: test.plane.url });
  const done = (async () => {
    for await (const { id, event } of client.watchEvents({ signal: stop.signal, lastEventId, kinds })) {
      seen.push({ id: BigInt(id), event });
    }
  })().catch(() => undefined);
  return { seen, stop: () => stop.abort(), done };
}

it('tells of everything that changes with ids that skip none, and goes on from the last one that was seen', async () => {
  const test = await startTestPlane();
  const all = watch(test);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const host = await test.host({ name: 'north' });
  const vmms = [1, 2, 3].map((n) => host.addInstance(fullSpec(`web-${n}`)).vmmId);
  await until(async () => (await test.ask<{ items: unknown[] }>('GET', '/vmms')).body.items.length === 3);
  for (const vmm of vmms) host.publish(vmm, { life: 'paused' });
  await until(
    () =>
      all.seen.filter(({ event }) => event.kind === 'vmm' && event.vmm.state.life === 'paused').length >= 3,
  );
  const ids = all.seen.map(({ id }) => id);
  expect(ids).toEqual(ids.map((_, index) => (ids[0] ?? 0n) + BigInt(index)));
  const middle = all.seen[Math.floor(ids.length / 2)]?.id ?? 0n;
  const rest = watch(test, String(middle));
  await until(() => rest.seen.length >= ids.filter((id) => id > middle).length);
  expect(rest.seen.map(({ id }) => id)).toEqual(all.seen.map(({ id }) => id).filter((id) => id > middle));
});

it('skips no id while several replicas commit at once', async () => {
  const test = await startTestPlane();
  const second = await test.replica();
  const reader = watch(test);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const hosts = await Promise.all([1, 2, 3, 4].map((n) => test.host({ name: `h-${n}` })));
  const change = async (url: string, round: number) => {
    for (const host of hosts) {
      await fetch(`${url}/hosts/${host.id}/labels`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ labels: { round: String(round) } }),
      });
    }
  };
  await Promise.all(
    [1, 2, 3, 4].flatMap((round) => [change(test.plane.url, round), change(second.url, round + 10)]),
  );
  await until(() => reader.seen.filter(({ event }) => event.kind === 'host').length >= 32);
  const ids = reader.seen.map(({ id }) => id);
  expect(ids).toEqual(ids.map((_, index) => (ids[0] ?? 0n) + BigInt(index)));
});

it('gives one gap to who comes back with an id that was never given, and picks kinds', async () => {
  const test = await startTestPlane();
  await test.host();
  const never = watch(test, '999999');
  await until(() => never.seen.length > 0);
  expect(never.seen[0]?.event.kind).toBe('gap');
  const hosts = watch(test, undefined, ['host']);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const host = await test.host({ name: 'north' });
  const { id } = host.addInstance(fullSpec('web'));
  await until(async () => (await test.ask('GET', `/instances/${id}`)).status === 200);
  expect(new Set(hosts.seen.map(({ event }) => event.kind))).toEqual(new Set(['host']));
  await test.ask('DELETE', '/hosts/nobody');
});

it('tells a slow reader of a gap, and keeps no queue for it', { timeout: 60_000 }, async () => {
  const test = await startTestPlane();
  const host = await test.host();
  const { vmmId } = host.addInstance(
    fullSpec('web', { boot: { from: 'kernel', kernel: '/k', cmdline: 'x'.repeat(2_000) } }),
  );
  await until(async () => (await test.ask('GET', `/vmms/${vmmId}`)).status === 200);
  let text = '';
  const response = await new Promise<import('node:http').IncomingMessage>((resolve) => {
    request(`${test.plane.url}/events`, resolve).end();
  });
  onTestFinished(() => {
    response.destroy();
  });
  response.pause();
  // More than the kernel's buffers and the server's own take together.
  const error = { code: 'x', message: 'y'.repeat(500_000) };
  for (let n = 0; n < 16; n += 1) {
    host.publish(vmmId, { error });
    const { generation } = host.vmms.get(vmmId)?.state ?? { generation: '' };
    await until(async () => (await test.vmm(vmmId)).state.generation === generation);
  }
  response.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  response.resume();
  await until(() => text.includes('event: gap'));
  expect(text.length).toBeLessThan(8_000_000);
  host.publish(vmmId, { error: null });
  await until(() => /event: vmm\ndata: .*"error":null/.test(text.slice(text.indexOf('event: gap'))));
});
