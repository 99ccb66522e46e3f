import { describe, expect, it } from 'vitest';
import { spec, startTestAgent, type TestAgent } from '../support/agent.js';

const version = { 'api-version': '2.0.0' };

async function ask({ agent }: TestAgent, path: string, init: RequestInit = {}) {
  const response = await fetch(`${agent.url}${path}`, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
}

function post(test: TestAgent, path: string, body: string) {
  return ask(test, path, {
    method: 'POST',
    headers: { ...version, 'content-type': 'application/json' },
    body,
  });
}

describe('the HTTP side of the agent', () => {
  it('says who it is and what it accepts', async () => {
    const test = await startTestAgent();
    const host = await test.client.getHost();
    expect(host).toMatchObject({
      hostId: test.agent.hostId,
      name: 'north',
      peer: test.agent.peer,
      compatibility: { host: 'north', instanceSpec: [1, 2, 3], vmmState: [1, 2] },
      drivers: [{ name: 'qemu', version: '7.2.22', ramModes: ['external'], unusable: null }],
    });
  });

  it('starts on a host without QEMU, and says so', async () => {
    const test = await startTestAgent();
    test.host.probes = {
      version: null,
      unusable: 'QEMU is not installed; install qemu-system-x86.',
      machineTypes: [],
      accelerators: [],
    };
    expect((await test.client.getHost()).drivers[0]).toMatchObject({
      version: null,
      unusable: 'QEMU is not installed; install qemu-system-x86.',
    });
  });

  it('answers /, /healthz, /readyz and /metrics without a version', async () => {
    const test = await startTestAgent();
    await test.client.createInstance({ spec: spec('web-1'), start: true });
    expect((await ask(test, '/')).json()).toMatchObject({
      service: 'drover-host-agent',
      apiVersions: ['1.0.0', '2.0.0', '3.0.0', '4.0.0'],
    });
    expect((await ask(test, '/healthz')).status).toBe(200);
    expect((await ask(test, '/readyz')).status).toBe(200);
    const metrics = await ask(test, '/metrics');
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(metrics.text).toMatch(/^drover_instances\{life="running"\} 1$/m);
  });

  it('names the field of a body that is wrong, in one sentence', async () => {
    const test = await startTestAgent();
    const unknownKey = await post(test, '/instances', JSON.stringify({ spec: spec('a'), strat: true }));
    expect(unknownKey.status).toBe(400);
    expect(unknownKey.json().error).toMatchObject({
      code: 'request-invalid',
      message: expect.stringMatching(/^body\.strat: unknown key; known: .*start.*\.$/),
      retryable: false,
    });
    const wrongType = await post(
      test,
      '/migrations',
      JSON.stringify({ instance: 'a', destination: { host: 'h', port: 0 }, settings: {} }),
    );
    expect(wrongType.json().error.message).toMatch(/^body\.destination\.port: /);
    const query = await ask(test, '/instances/a/log?tailBytes=0', { headers: version });
    expect(query.json().error).toMatchObject({
      code: 'request-invalid',
      message: expect.stringContaining('tailBytes'),
    });
  });

  it('refuses a spec of an unknown version, and one with an unknown key, by name', async () => {
    const test = await startTestAgent();
    const future = await post(test, '/instances', JSON.stringify({ spec: { ...spec('a'), version: 99 } }));
    expect(future.json().error).toMatchObject({
      code: 'spec-version-unknown',
      message: expect.stringContaining('99'),
    });
    const document = spec('a');
    const unknown = { ...document, body: { ...(document.body as object), memoryMib: 1 } };
    const misspelt = await post(test, '/instances', JSON.stringify({ spec: unknown }));
    expect(misspelt.json().error).toMatchObject({
      code: 'spec-invalid',
      message: expect.stringContaining('memoryMib'),
    });
    expect(await test.client.listInstances()).toEqual([]);
  });

  it('refuses a body that is no JSON, has a key twice, or is larger than 1 MiB', async () => {
    const test = await startTestAgent();
    expect((await post(test, '/instances', '{')).json().error.code).toBe('request-invalid');
    expect((await post(test, '/instances', '{"start":true,"start":false}')).json().error.message).toContain(
      'twice',
    );
    const large = await post(test, '/instances', JSON.stringify({ spec: 'x'.repeat(1 << 20) }));
    expect(large.status).toBe(413);
    expect(large.json().error.code).toBe('request-too-large');
    const type = await ask(test, '/instances', {
      method: 'POST',
      headers: { ...version, 'content-type': 'text/csv' },
      body: 'a',
    });
    expect(type.json().error.code).toBe('request-invalid');
  });

  it('answers an unknown path and an unknown method in the same form', async () => {
    const test = await startTestAgent();
    for (const [path, method] of [
      ['/nothing', 'GET'],
      ['/host', 'DELETE'],
    ] as const) {
      const { status, json } = await ask(test, path, { method, headers: version });
      expect([status, json().error.code]).toEqual([404, 'endpoint-not-found']);
    }
  });

  it('keeps a name with every escaped character a name', async () => {
    const test = await startTestAgent();
    await expect(test.client.getInstance('a/../b %?#')).rejects.toMatchObject({
      code: 'instance-not-found',
      message: expect.stringContaining('a/../b %?#'),
    });
  });
});
