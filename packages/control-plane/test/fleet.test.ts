/** The whole of it on each of the databases: what runs here runs everywhere. */
import type { AuditEntry, FleetInstance, FleetVmm, HostView } from '@drover/protocol';
import { describe, expect, it } from 'vitest';
import { fullSpec, spec, startTestPlane, until } from './support/control-plane.js';
import { databaseKinds } from './support/databases.js';

describe.each(databaseKinds)('a fleet on $name', ({ missing, create }) => {
  const because = missing ? ` (skipped: ${missing})` : '';

  it.skipIf(missing)(
    `takes hosts, makes, stops, starts and deletes an instance, and keeps what became of it${because}`,
    { timeout: 60_000 },
    async () => {
      const test = await startTestPlane({}, await create());
      const host = await test.host({ name: 'north', labels: { zone: 'a' } });
      const made = await test.ask<FleetInstance>('POST', '/instances', {
        spec: spec('web-1'),
        labels: { tier: 'web' },
      });
      expect(made.status, JSON.stringify(made.body)).toBe(201);
      await until(async () => (await test.instance('web-1')).vmm?.state.life === 'running');
      const vmmId = (await test.instance('web-1')).vmm?.id ?? '';

      expect((await test.ask('POST', '/instances', { spec: spec('web-1') })).body.error.code).toBe(
        'instance-name-taken',
      );
      expect((await test.ask('DELETE', '/instances/web-1')).body.error.code).toBe('instance-not-stopped');

      host.publish(vmmId, { life: 'paused' });
      await until(async () => (await test.vmm(vmmId)).state.life === 'paused');

      await test.ask('POST', '/instances/web-1/stop', {});
      await until(async () => (await test.instance('web-1')).vmm?.state.life === 'stopped');
      await test.ask('POST', '/instances/web-1/start');
      await until(async () => (await test.instance('web-1')).vmm?.state.life === 'running');
      await test.ask('POST', '/instances/web-1/stop', { force: true });
      await until(async () => (await test.instance('web-1')).vmm?.state.life === 'stopped');
      expect((await test.ask('DELETE', '/instances/web-1')).status).toBe(200);
      await until(async () => (await test.ask('GET', '/instances/web-1')).status === 404);

      // R10: the last state was stored before the agent was told that it may forget it, and is still readable here.
      expect((await test.vmm(vmmId)).ended?.reason).toBe('deleted');
      await until(() => !host.vmms.has(vmmId));
      const { body: audit } = await test.ask<{ items: AuditEntry[] }>('GET', '/audit');
      expect(audit.items.filter(({ outcome }) => outcome === 'ok').map(({ action }) => action)).toEqual([
        'deleteInstance',
        'stopInstance',
        'startInstance',
        'stopInstance',
        'createInstance',
        'registerHost',
      ]);
    },
  );

  it.skipIf(missing)(
    `pages its lists by key, filtered, without missing or repeating anything${because}`,
    { timeout: 60_000 },
    async () => {
      const test = await startTestPlane({}, await create());
      for (const name of ['a', 'b']) {
        const host = await test.host({ name, labels: { zone: name } });
        for (let n = 0; n < 6; n += 1)
          host.addInstance(fullSpec(`${name}-${n}`), { life: n % 2 ? 'running' : 'stopped' });
      }
      await until(async () => (await all(test, '/vmms?limit=5')).length === 12);
      const names = (items: readonly { name: string }[]) => items.map(({ name }) => name);
      const everything = ['a', 'b'].flatMap((host) => [0, 1, 2, 3, 4, 5].map((n) => `${host}-${n}`));
      await until(async () => (await all(test, '/instances?limit=5')).length === 12);
      expect(names(await all(test, '/instances?limit=5'))).toEqual(everything);
      expect(names(await all(test, '/instances?limit=2&host=b&life=running'))).toEqual(['b-1', 'b-3', 'b-5']);
      expect(names(await all(test, '/instances?name=a-'))).toEqual(everything.slice(0, 6));
      expect(names(await all(test, '/hosts?limit=1'))).toEqual(['a', 'b']);
      expect(names(await all(test, '/hosts?label=zone%3Db'))).toEqual(['b']);
      expect(names(await all(test, '/hosts?label=zone'))).toEqual(['a', 'b']);
      const { body } = await test.ask<{ items: FleetVmm[]; nextCursor: string }>('GET', '/vmms?limit=5');
      expect((await test.ask('GET', `/hosts?cursor=${body.nextCursor}`)).body.error.code).toBe(
        'cursor-invalid',
      );
      for (const cursor of [
        'x',
        '%00',
        body.nextCursor.slice(3),
        Buffer.from('["vmms","a","b"]').toString('base64url'),
      ]) {
        expect((await test.ask('GET', `/vmms?cursor=${cursor}`)).status, cursor).toBe(400);
      }
      const { body: host } = await test.ask<HostView>('GET', '/hosts/a');
      expect(host).toMatchObject({
        vmms: 6,
        capacity: { cpusUsed: 6, memoryBytesUsed: 6 * 512 * 1024 * 1024 },
      });
    },
  );

  async function all(test: Awaited<ReturnType<typeof startTestPlane>>, path: string) {
    const items: { name: string; id: string }[] = [];
    let cursor: string | null = null;
    do {
      const next: string =
        cursor === null ? path : `${path}${path.includes('?') ? '&' : '?'}cursor=${cursor}`;
      const { body } = await test.ask<{ items: { name: string; id: string }[]; nextCursor: string | null }>(
        'GET',
        next,
      );
      items.push(...body.items);
      cursor = body.nextCursor;
    } while (cursor !== null);
    return items;
  }
});
