import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import type { MigrationEvent } from '@drover/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { spec, startTestAgent } from '../support/agent.js';
import { until } from '../support/until.js';

/** A peer that takes connections and says nothing. */
async function silentPeer(): Promise<{ host: string; port: number }> {
  const sockets = new Set<{ destroy(): void }>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

async function collect(events: AsyncIterable<MigrationEvent>): Promise<MigrationEvent[]> {
  const all: MigrationEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('a migration over the API', () => {
  it('that reaches nobody fails with the reason, and the guest goes on (R2)', async () => {
    const test = await startTestAgent();
    const { id: instanceId } = await test.client.createInstance({ spec: spec('web-1'), start: true });
    const started = await test.client.startMigration({
      instance: 'web-1',
      destination: { host: '127.0.0.1', port: 9 },
      settings: {},
    });
    expect(started).toMatchObject({
      instanceName: 'web-1',
      role: 'source',
      peer: '127.0.0.1:9',
      state: 'running',
    });
    const events = await collect(test.client.watchMigration(started.id));
    const last = events.at(-1);
    expect(last).toMatchObject({ kind: 'ended', migration: { state: 'failed', id: started.id } });
    expect(last?.kind === 'ended' && last.migration.error?.message).toContain('127.0.0.1:9');
    await until(
      () => test.client.getInstance('web-1'),
      ({ state }) => state.life === 'running' && state.epoch === '1',
    );
    expect(test.host.running(instanceId)).toHaveLength(1);
    await test.restart();
    const kept = await test.client.getMigration(started.id);
    expect(kept).toEqual(last?.kind === 'ended' ? last.migration : null);
    expect(await test.client.listMigrations()).toEqual([kept]);
  });

  it('is one at a time for an instance, and can be cancelled', async () => {
    const test = await startTestAgent();
    await test.client.createInstance({ spec: spec('web-1'), start: true });
    const destination = await silentPeer();
    const request = { instance: 'web-1', destination, settings: {} };
    const first = await test.client.startMigration(request);
    expect((await test.client.getInstance('web-1')).state.life).toBe('migrating-out');
    await expect(test.client.startMigration(request)).rejects.toMatchObject({
      code: 'instance-busy',
      retryable: true,
    });
    await expect(test.client.stopInstance('web-1')).rejects.toMatchObject({ code: 'instance-busy' });
    const cancelled = await test.client.cancelMigration(first.id);
    expect(cancelled).toMatchObject({ state: 'cancelled', error: { code: 'migration-cancelled' } });
    expect(cancelled.endedAt).not.toBeNull();
    expect(await test.client.cancelMigration(first.id)).toEqual(cancelled);
    const again = await test.client.startMigration(request);
    expect((await test.client.cancelMigration(again.id)).state).toBe('cancelled');
  });

  it('asked for again under its own id is the same one, whatever became of it', async () => {
    const test = await startTestAgent();
    const { id: instanceId } = await test.client.createInstance({ spec: spec('web-1'), start: true });
    const destination = await silentPeer();
    const id = '6f1c2f0a-5b8e-4c1d-9a77-0d2a4b6c8e10';
    const request = { id, instance: 'web-1', destination, settings: { verify: true } };
    const twice = await Promise.all([
      test.client.startMigration(request),
      test.client.startMigration(request),
    ]);
    expect(twice.map((view) => [view.id, view.state])).toEqual([
      [id, 'running'],
      [id, 'running'],
    ]);
    expect((await test.client.startMigration({ ...request, instance: instanceId })).id).toBe(id);
    const cancelled = await test.client.cancelMigration(id);
    expect(cancelled.ownership).toEqual({ state: 'aborted', epoch: '1' });
    expect(await test.client.startMigration(request)).toEqual(cancelled);
    await test.restart();
    expect(await test.client.startMigration(request)).toEqual(cancelled);
    expect(await test.client.listMigrations()).toHaveLength(1);
    expect(await test.client.getOwnership(id)).toEqual({
      source: { instanceId, state: 'aborted', epoch: '1' },
      destination: null,
    });
  });

  it('is refused under the id of another one, and a refused request leaves its id free', async () => {
    const test = await startTestAgent();
    await test.client.createInstance({ spec: spec('web-1'), start: true });
    await test.client.createInstance({ spec: spec('web-2') });
    const destination = await silentPeer();
    const id = '6f1c2f0a-5b8e-4c1d-9a77-0d2a4b6c8e10';
    const request = { id, instance: 'web-1', destination, settings: {} };
    await expect(test.client.startMigration({ ...request, instance: 'web-2' })).rejects.toMatchObject({
      code: 'instance-not-running',
    });
    await test.client.startMigration(request);
    for (const other of [
      { ...request, instance: 'web-2' },
      { ...request, settings: { verify: true } },
      { ...request, destination: { ...destination, port: 9 } },
    ]) {
      await expect(test.client.startMigration(other)).rejects.toMatchObject({
        code: 'migration-id-taken',
        status: 409,
      });
    }
    await test.client.cancelMigration(id);
  });

  it('gives the destination its own backends, and keeps those of the spec here', async () => {
    const [north, south] = [await startTestAgent(), await startTestAgent({ name: 'south' })];
    const disk = { kind: 'file-storage', path: '/north/disk0', format: 'raw' } as const;
    const components = { disk0: { kind: 'virtio-disk', backend: 'file0' }, file0: disk } as const;
    const { spec: made } = await north.client.createInstance({
      spec: spec('web-1', { components }),
      start: true,
    });
    const request = { instance: 'web-1', destination: south.agent.peer, settings: {} };
    const moving = await north.client.startMigration({
      ...request,
      backends: { file0: { ...disk, path: '/south/disk0' } },
    });
    // Both VMMs are objects without memory: it comes as far as the destination's VMM.
    await until(
      () => north.client.getMigration(moving.id),
      ({ state }) => state === 'failed',
    );
    expect(south.host.launched).toEqual({
      ...made,
      components: { ...made.components, file0: { ...made.components.file0, path: '/south/disk0' } },
    });
    expect((await north.client.getInstance('web-1')).spec).toEqual(made);
  });

  it('refuses backends that cannot replace those of the spec, before anything happens (R7)', async () => {
    const test = await startTestAgent();
    await test.client.createInstance({ spec: spec('web-1'), start: true });
    const before = await test.client.getInstance('web-1');
    const destination = { host: '127.0.0.1', port: 9 };
    for (const id of ['nothing', 'com1']) {
      const backends = { [id]: { kind: 'user-network' } } as const;
      await expect(
        test.client.startMigration({ instance: 'web-1', destination, settings: {}, backends }),
      ).rejects.toMatchObject({
        code: 'backend-replacement-invalid',
        message: expect.stringContaining(id),
      });
    }
    expect(await test.client.listMigrations()).toEqual([]);
    expect(await test.client.getInstance('web-1')).toEqual(before);
  });

  it('needs a running instance', async () => {
    const test = await startTestAgent();
    await test.client.createInstance({ spec: spec('web-1') });
    const destination = { host: '127.0.0.1', port: 9 };
    await expect(
      test.client.startMigration({ instance: 'web-1', destination, settings: {} }),
    ).rejects.toMatchObject({ code: 'instance-not-running' });
    await expect(
      test.client.startMigration({ instance: 'nobody', destination, settings: {} }),
    ).rejects.toMatchObject({ code: 'instance-not-found' });
    expect(await test.client.listMigrations()).toEqual([]);
    await expect(test.client.getMigration('nothing')).rejects.toMatchObject({ code: 'migration-not-found' });
  });

  it('ends, with the guest running, when the agent stops before the handover (R11)', async () => {
    const test = await startTestAgent();
    const { id } = await test.client.createInstance({ spec: spec('web-1'), start: true });
    const migration = await test.client.startMigration({
      instance: 'web-1',
      destination: await silentPeer(),
      settings: {},
    });
    await test.restart(() => {
      expect(test.host.running(id)).toHaveLength(1);
    });
    expect((await test.client.getMigration(migration.id)).state).toBe('failed');
    expect((await test.client.getInstance('web-1')).state.life).toBe('running');
  });

  it('whose guest ends meanwhile leaves an instance that says so', async () => {
    const test = await startTestAgent();
    const { state } = await test.client.createInstance({ spec: spec('web-1'), start: true });
    const migration = await test.client.startMigration({
      instance: 'web-1',
      destination: await silentPeer(),
      settings: {},
    });
    test.host.vmms.get(state.vmmId)?.happen({ kind: 'exited', message: 'QEMU was killed.' }, 'gone');
    const events = await collect(test.client.watchMigration(migration.id));
    expect(events.at(-1)).toMatchObject({ kind: 'ended', migration: { state: 'failed' } });
    await until(
      () => test.client.getInstance('web-1'),
      (view) => view.state.life === 'failed',
    );
  });
});
