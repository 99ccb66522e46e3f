import { agentEndpoints } from '@drover/protocol/agent';
import { describe, expect, it } from 'vitest';
import { AgentClient, ApiError } from '../src/index.js';
import { fakeAgent, json, nobody } from './fake-agent.js';

const uuid = '00000000-0000-4000-8000-000000000001';
const instance = {
  id: uuid,
  name: 'web-1',
  spec: {
    name: 'web-1',
    vmm: 'qemu',
    cpus: 1,
    memoryMiB: 64,
    machineType: 'q35',
    cpu: { model: 'qemu64', features: {}, cpuid: [] },
    accelerator: 'auto',
    smbios: null,
    clock: 'wall',
    boot: { from: 'kernel', kernel: '/boot/vmlinuz', cmdline: '' },
    components: {},
  },
  state: {
    vmmId: uuid,
    instanceId: uuid,
    generation: '1',
    epoch: '1',
    life: 'running',
    driver: 'qemu',
    ramMode: 'external',
    accelerator: null,
    acceleratorReason: null,
    machineType: null,
    vmmVersion: null,
    pid: null,
    error: null,
  },
  consoleSocket: null,
  logFile: null,
};

describe('the client', () => {
  it('has one method for each endpoint of the contract', () => {
    const methods = Object.getOwnPropertyNames(AgentClient.prototype);
    for (const name of Object.keys(agentEndpoints)) expect(methods).toContain(name);
  });

  it('asks with the method, path, version and body of the contract', async () => {
    const { url, asked } = await fakeAgent(json(200, instance));
    const client = new AgentClient({ url: `${url}/` });
    expect((await client.stopInstance('a b/c', { force: true })).name).toBe('web-1');
    expect(asked[0]).toMatchObject({
      method: 'POST',
      url: '/instances/a%20b%2Fc/stop',
      headers: { 'api-version': '4.0.0', 'content-type': 'application/json' },
      body: '{"force":true}',
    });
    await client.getInstance('web-1');
    expect(asked[1]?.headers['content-type']).toBeUndefined();
  });

  it('rejects with the code, sentence and status that the agent answered', async () => {
    const body = { error: { code: 'instance-busy', message: 'Instance web-1 is busy.', retryable: true } };
    const { url } = await fakeAgent(json(409, body));
    const thrown = await new AgentClient({ url }).startInstance('web-1').catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(ApiError);
    expect(thrown).toMatchObject({ ...body.error, status: 409 });
  });

  it('names the URL when nobody answers there', async () => {
    const url = await nobody();
    await expect(new AgentClient({ url }).getHost()).rejects.toMatchObject({
      code: 'agent-unreachable',
      retryable: true,
      message: expect.stringMatching(new RegExp(`${url} .*ECONNREFUSED`)),
    });
  });

  it('says so when what answers is not an agent', async () => {
    const cases = [json(200, { hello: 1 }), json(404, { message: 'nope' })];
    for (const answer of cases) {
      const { url } = await fakeAgent(answer);
      await expect(new AgentClient({ url }).getInstance('a')).rejects.toMatchObject({
        code: 'agent-response-invalid',
        message: expect.stringContaining(url),
      });
    }
  });

  it('does not wait for ever, and can be called off', async () => {
    const { url } = await fakeAgent(() => undefined);
    await expect(new AgentClient({ url, timeoutMs: 50 }).getHost()).rejects.toMatchObject({
      code: 'agent-timeout',
    });
    const stop = new AbortController();
    const asking = new AgentClient({ url }).getHost({ signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(asking).rejects.toThrow('enough');
  });

  it('refuses what is no URL of an agent', () => {
    for (const url of ['north:7700', 'ftp://north', '']) {
      expect(() => new AgentClient({ url })).toThrow(expect.objectContaining({ code: 'agent-url-invalid' }));
    }
  });

  it('gives the console as a WebSocket URL with the version in it', () => {
    const client = new AgentClient({ url: 'https://north.example/agent' });
    expect(client.openConsole('web 1')).toBe(
      'wss://north.example/agent/instances/web%201/console?api-version=1.0.0',
    );
  });
});
