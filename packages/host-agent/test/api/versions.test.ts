import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { AgentClient } from '@drover/client';
import {
  instanceViewV1,
  type MigrationView,
  migrationEventV1,
  migrationViewV1,
  releaseCompatibility,
} from '@drover/protocol';
import { hostV1, readCompatibility, writeInstanceSpec } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { newMigrationView } from '../../src/migrations/store.js';
import { spec, startTestAgent, type TestAgent } from '../support/agent.js';
import { REPORT } from '../support/report.js';

/** Asks as a client would that knows one version alone; null for one that names none. */
async function ask(test: TestAgent, version: string | null, path: string, body?: object, method = 'GET') {
  const response = await fetch(`${test.agent.url}${path}`, {
    method: body ? 'POST' : method,
    headers: {
      ...(version === null ? {} : { 'api-version': version }),
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  const document = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : null;
  return { status: response.status, served: response.headers.get('api-version'), text, document };
}

/** What no spec of version 1 can say. */
const vsock = { vsock0: { kind: 'vsock', cid: 7 } } as const;

describe('a request that names', () => {
  it('a version is answered in it, and is told so', async () => {
    const test = await startTestAgent();
    for (const version of ['1.0.0', '2.0.0', '3.0.0', '4.0.0']) {
      expect(await ask(test, version, '/host')).toMatchObject({ status: 200, served: version });
    }
  });

  it('3.0.0 is asked for a preflight without what only 4.0.0 has words for', async () => {
    const test = await startTestAgent();
    const body = { role: 'destination', instanceId: REPORT.instanceId, spec: spec('web-1') };
    const { status, document } = await ask(test, '3.0.0', '/preflights', body);
    expect([status, document]).toEqual([200, { findings: [] }]);
    const newer = await ask(test, '3.0.0', '/preflights', { ...body, cpu: null });
    expect(newer.document.error).toMatchObject({
      code: 'request-invalid',
      message: expect.stringMatching(/cpu: unknown key|unknown key.*cpu/),
    });
  });

  it('no version means 1.0.0', async () => {
    const test = await startTestAgent();
    const { served, document } = await ask(test, null, '/host');
    expect(served).toBe('1.0.0');
    expect(hostV1.parse(document).name).toBe('north');
  });

  it('an unknown version is refused with the list of those served, whatever the path (R7)', async () => {
    const test = await startTestAgent();
    for (const path of ['/host', '/instances', '/nothing']) {
      const { status, document } = await ask(test, '9.0.0', path);
      expect(status).toBe(400);
      expect(document.error).toMatchObject({
        code: 'api-version-unknown',
        message: expect.stringMatching(/"9\.0\.0".*1\.0\.0, 2\.0\.0, 3\.0\.0, 4\.0\.0/),
      });
    }
    const created = await ask(test, '9.0.0', '/instances', { spec: spec('a') });
    expect(created.document.error.code).toBe('api-version-unknown');
    expect(await test.client.listInstances()).toEqual([]);
  });

  it('a path that is none, with and without an upgrade, is answered and harms nobody (R6)', async () => {
    const test = await startTestAgent();
    const { hostname, port } = new URL(test.agent.url);
    for (const path of ['//', '//?api-version=9.0.0', '/%', '/x?%&&=api-version', 'http://[/']) {
      for (const upgrade of ['', 'upgrade: websocket\r\nconnection: upgrade\r\n']) {
        const socket = connect(Number(port), hostname);
        socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n${upgrade}\r\n`);
        const [answer] = await once(socket, 'data');
        expect(String(answer)).toMatch(/^HTTP\/1\.1 40[04] /);
        expect(String(answer)).toMatch(
          /\{"error":\{"code":"[a-z-]+","message":".*\.","retryable":false\}\}$/,
        );
        socket.destroy();
      }
    }
    expect((await ask(test, '1.0.0', '/host')).status).toBe(200);
    // Nothing that was answered holds the agent up.
    await test.agent.close();
  });

  it('a version without the endpoint is told which version that is', async () => {
    const test = await startTestAgent();
    expect((await ask(test, '1.0.0', '/compatibility')).document.error).toMatchObject({
      code: 'endpoint-not-found',
      message: 'There is no endpoint GET /compatibility in agent API 1.0.0.',
    });
    expect((await ask(test, null, '/compatibility')).document.error.message).toContain(
      '1.0.0, which a request without api-version means',
    );
  });
});

describe('the compatibility manifest', () => {
  it('is the release’s, with what this host’s VMMs add', async () => {
    const test = await startTestAgent();
    const manifest = readCompatibility((await ask(test, '2.0.0', '/compatibility')).document);
    const release = releaseCompatibility();
    expect(manifest).toEqual({
      ...release,
      host: 'north',
      deviceStates: { ...release.deviceStates, 'qemu/virtio-blk': [1, 2] },
      drivers: [
        {
          name: 'qemu',
          version: '7.2.22',
          machineTypes: ['pc-q35-7.1', 'pc-q35-7.2'],
          accelerators: ['tcg'],
          ramModes: ['external'],
        },
      ],
    });
    expect((await test.client.getHost()).compatibility).toEqual(manifest);
    expect(await test.client.getCompatibility()).toEqual(manifest);
  });

  it('lists no device states of a VMM that does not tell them, or cannot be used', async () => {
    const test = await startTestAgent();
    const { deviceStates } = releaseCompatibility();
    test.host.deviceStates = null;
    expect((await test.client.getCompatibility()).deviceStates).toEqual(deviceStates);
    test.host.deviceStates = { 'qemu/virtio-blk': [2] };
    test.host.probes = { version: null, unusable: 'QEMU is gone.', machineTypes: [], accelerators: [] };
    const manifest = await test.client.getCompatibility();
    expect(manifest.deviceStates).toEqual(deviceStates);
    expect(manifest.drivers[0]).toMatchObject({ name: 'qemu', version: null, accelerators: [] });
  });

  it('has the peer protocol’s versions as far as the operator lets them', async () => {
    const test = await startTestAgent({ peerVersions: [1] });
    expect((await test.client.getCompatibility()).peerProtocol).toEqual([1]);
    expect(hostV1.parse((await ask(test, '1.0.0', '/host')).document).accepts.peerProtocol).toEqual([1]);
  });
});

describe('API 1.0.0', () => {
  it('shows every document in the form that release 0.1 knows', async () => {
    const test = await startTestAgent();
    await test.client.createInstance({ spec: spec('web-1'), start: true });
    const host = hostV1.parse((await ask(test, '1.0.0', '/host')).document);
    expect(host.accepts.instanceSpec).toContain(1);
    const { document } = await ask(test, '1.0.0', '/instances/web-1');
    const view = instanceViewV1.strict().parse(document);
    // Defaults were filled in before it was sent: nothing is added by reading it.
    expect(view).toEqual(document);
    expect((await ask(test, '1.0.0', '/instances')).document).toEqual({ items: [document] });
    expect(await new AgentClient({ url: test.agent.url }).getInstance('web-1')).toMatchObject({
      spec: { clock: 'wall' },
      state: document.state,
    });
  });

  it('refuses by name an instance that it has no words for, before it does anything (R7, R8)', async () => {
    const test = await startTestAgent();
    const components = { com1: { kind: 'serial-port', port: 'com1' }, ...vsock } as const;
    await test.client.createInstance({ spec: spec('web-1'), start: true });
    await test.client.createInstance({ spec: spec('web-2', { components }) });
    const requests = [
      ask(test, '1.0.0', '/instances'),
      ask(test, '1.0.0', '/instances/web-2'),
      ask(test, '1.0.0', '/instances/web-2/start', undefined, 'POST'),
      ask(test, '1.0.0', '/instances/web-2/stop', { force: true }),
    ];
    for (const { status, document } of await Promise.all(requests)) {
      expect(status).toBe(409);
      expect(document.error).toEqual({
        code: 'api-version-too-old',
        message:
          'Instance web-2 cannot be shown in agent API 1.0.0: vsock0 (vsock) needs instance spec 3; ask for agent API 2.0.0.',
        retryable: false,
      });
    }
    expect(test.host.launches).toBe(1);
    expect((await test.client.getInstance('web-2')).state).toMatchObject({
      life: 'stopped',
      generation: '1',
    });
    expect((await ask(test, '1.0.0', '/instances/web-1')).status).toBe(200);
    // What it need not show, it does.
    expect((await ask(test, '1.0.0', '/instances/web-2', undefined, 'DELETE')).status).toBe(200);
  });

  it('takes specs of version 1, and makes nothing of a newer one (R7)', async () => {
    const test = await startTestAgent();
    const v1 = writeInstanceSpec(spec('web-1').body as never, [1]);
    expect((await ask(test, '1.0.0', '/instances', { spec: v1 })).status).toBe(201);
    const { status, document } = await ask(test, '1.0.0', '/instances', { spec: spec('web-2') });
    expect([status, document.error.code]).toEqual([400, 'spec-version-unknown']);
    expect(document.error.message).toContain('send it with agent API 2.0.0');
    expect((await test.client.listInstances()).map(({ name }) => name)).toEqual(['web-1']);
  });

  it('refuses a field that it does not have by name', async () => {
    const test = await startTestAgent();
    const body = { instance: 'a', destination: { host: 'h', port: 1 }, settings: {}, backends: {} };
    expect((await ask(test, '1.0.0', '/migrations', body)).document.error).toMatchObject({
      code: 'request-invalid',
      message: expect.stringMatching(/^body\.backends: unknown key/),
    });
  });

  it('shows a migration and its events with a report that it knows', async () => {
    const test = await startTestAgent();
    const at = new Date().toISOString();
    const view: MigrationView = {
      ...newMigrationView({
        id: REPORT.migrationId,
        instanceId: REPORT.instanceId,
        instanceName: 'web-1',
        role: 'source',
        peer: '10.0.0.1:7701',
        phase: 'done',
      }),
      ...{ state: 'completed', endedAt: at, report: REPORT },
    };
    const { deviceStates, capabilities, ...report } = REPORT;
    const file = join(test.root, 'state', 'migrations', `${view.id}.json`);
    await test.restart(() => {
      const stored = { schema: 'drover.migration-report', version: 2, body: REPORT };
      writeFileSync(file, JSON.stringify({ ...view, report: stored }));
    });
    expect(await test.client.getMigration(view.id)).toEqual(view);
    const { ownership, doubt, ...second } = view;
    expect((await ask(test, '2.0.0', `/migrations/${view.id}`)).document).toEqual(second);
    const old = { ...second, report };
    expect((await ask(test, '1.0.0', `/migrations/${view.id}`)).document).toEqual(old);
    expect(migrationViewV1.parse(old)).toEqual(old);
    expect((await ask(test, '1.0.0', '/migrations')).document).toEqual({ items: [old] });
    const { text, served } = await ask(test, '1.0.0', `/migrations/${view.id}/events`);
    expect(served).toBe('1.0.0');
    const data = /^data: (.*)$/m.exec(text)?.[1] ?? '';
    expect(migrationEventV1.parse(JSON.parse(data))).toMatchObject({ kind: 'ended', migration: old });
    expect(JSON.parse(data).migration).toEqual(old);
    expect(readFileSync(file, 'utf8')).toContain('deviceStates');
  });
});
