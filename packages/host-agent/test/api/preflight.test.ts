import { createServer } from 'node:net';
import { DroverError } from '@drover/types';
import { describe, expect, it, onTestFinished } from 'vitest';
import { spec, startTestAgent, type TestAgent } from '../support/agent.js';

const ID = '6f1c2f0a-5b8e-4c1d-9a77-0d2a4b6c8e10';
const CPU = { cpuid: [{ leaf: 7, subleaf: 0, eax: 0, ebx: 0x20, ecx: 0, edx: 0 }], msrs: [0x10] };
const arrival = (name: string, change: Parameters<typeof spec>[1] = {}) =>
  ({ role: 'destination', instanceId: ID, spec: spec(name, change) }) as const;

/** What a host lists, and that it changed nothing by listing it. */
async function check(test: TestAgent, body: Parameters<TestAgent['client']['checkPreflight']>[0]) {
  const before = [await test.client.listVmms(), test.host.launches];
  const { findings } = await test.client.checkPreflight(body);
  expect([await test.client.listVmms(), test.host.launches]).toEqual(before);
  return findings;
}

describe('a preflight at the destination', () => {
  it('has nothing against a guest that could come', async () => {
    const test = await startTestAgent();
    expect(await check(test, arrival('web-1'))).toEqual([]);
  });

  it('lists all that is in the way, each with the code that a migration would end with, and what to do', async () => {
    const test = await startTestAgent();
    await test.client.createInstance({ spec: spec('web-1') });
    test.host.failCheck = new DroverError(
      'disk-unusable',
      { status: 409, retryable: false, summary: '' },
      'The disk "f0" is not there.',
    );
    const components = {
      n0: { kind: 'vhost-user-network', socket: '/run/v.sock' },
      net0: { kind: 'virtio-nic', backend: 'n0', mac: '52:54:00:00:00:01' },
    } as const;
    const findings = await check(test, arrival('web-1', { components }));
    expect(findings.map(({ code, severity }) => [code, severity])).toEqual([
      ['instance-name-taken', 'refused'],
      ['ram-mode-refused', 'refused'],
      ['disk-unusable', 'refused'],
    ]);
    for (const { sentence, remedy } of findings) {
      expect(sentence).toMatch(/\.$/);
      expect(remedy).toMatch(/^[A-Z].+\.$/);
    }
    expect(findings[0]?.remedy).toBe('Choose another name, or delete that instance.');
  });

  it('says of an instance that is here already what the migration would say', async () => {
    const test = await startTestAgent();
    const { id } = await test.client.createInstance({ spec: spec('web-1') });
    const findings = await check(test, { ...arrival('web-2'), instanceId: id });
    expect(findings.map(({ code }) => code)).toEqual(['instance-already-here']);
  });

  it('compares what the guest was promised of its processor, as the migration does', async () => {
    const test = await startTestAgent();
    const asked = { ...arrival('web-1'), cpu: CPU };
    expect(await check(test, asked)).toEqual([]);
    expect(test.host.comparedCpu).toEqual(CPU);
    test.host.failCpu = new DroverError(
      'cpu-not-offered',
      { status: 409, retryable: false, summary: '' },
      'This host lacks avx2.',
    );
    expect(await check(test, asked)).toMatchObject([
      { severity: 'refused', code: 'cpu-not-offered', sentence: 'This host lacks avx2.' },
    ]);
  });

  it('refuses by name a spec that cannot be read here, and backends that do not fit (R7)', async () => {
    const test = await startTestAgent();
    const unknown = {
      ...arrival('web-1'),
      spec: { ...spec('web-1'), schema: 'drover.instance-spec' as const, version: 99 },
    };
    expect((await check(test, unknown)).map(({ code }) => code)).toEqual(['spec-version-unknown']);
    const backends = { nothing: { kind: 'user-network' } } as const;
    const misfit = await check(test, { ...arrival('web-1'), backends });
    expect(misfit.map(({ code }) => code)).toEqual(['backend-replacement-invalid']);
  });
});

describe('a preflight at the source', () => {
  it('has nothing against a guest that runs', async () => {
    const test = await startTestAgent();
    await test.client.createInstance({ spec: spec('web-1'), start: true });
    expect(await check(test, { role: 'source', instance: 'web-1' })).toEqual([]);
  });

  it('says what the guest was promised of its processor, by the newest API alone', async () => {
    const test = await startTestAgent();
    test.host.guestCpu = CPU;
    await test.client.createInstance({ spec: spec('web-1'), start: true });
    await test.client.createInstance({ spec: spec('web-2') });
    const source = (instance: string) => ({ role: 'source', instance }) as const;
    expect(await test.client.checkPreflight(source('web-1'))).toEqual({ findings: [], cpu: CPU });
    expect((await test.client.checkPreflight(source('web-2'))).cpu).toBeNull();
    const older = await fetch(`${test.agent.url}/preflights`, {
      method: 'POST',
      headers: { 'api-version': '3.0.0', 'content-type': 'application/json' },
      body: JSON.stringify(source('web-1')),
    });
    expect(await older.json()).toEqual({ findings: [] });
  });

  it('says what a migration would say of one that does not, and of one that is not here', async () => {
    const test = await startTestAgent();
    const { id } = await test.client.createInstance({ spec: spec('web-1') });
    const [stopped] = await check(test, { role: 'source', instance: id });
    expect(stopped).toMatchObject({ severity: 'refused', code: 'instance-not-running' });
    const destination = { host: '127.0.0.1', port: 9 };
    await expect(
      test.client.startMigration({ instance: id, destination, settings: {} }),
    ).rejects.toMatchObject({ code: stopped?.code, message: stopped?.sentence });
    await expect(check(test, { role: 'source', instance: 'web-9' })).rejects.toMatchObject({
      code: 'instance-not-found',
    });
  });

  it('says that one is on its way already', async () => {
    const test = await startTestAgent();
    await test.client.createInstance({ spec: spec('web-1'), start: true });
    const server = createServer(() => undefined);
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
    });
    onTestFinished(() => void server.close());
    const destination = { host: '127.0.0.1', port };
    const { id } = await test.client.startMigration({ instance: 'web-1', destination, settings: {} });
    const { findings } = await test.client.checkPreflight({ role: 'source', instance: 'web-1' });
    expect(findings.map(({ code }) => code)).toEqual(['instance-busy']);
    await test.client.cancelMigration(id);
  });
});
