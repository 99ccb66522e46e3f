import { answersToV1, type InstanceView, type MigrationView, migrationToV2 } from '@drover/protocol/agent';
import { instanceSpecSchema, writeInstanceSpec } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { AgentClient } from '../src/index.js';
import { type Answer, fakeAgent, json } from './fake-agent.js';

const uuid = '00000000-0000-4000-8000-000000000001';
const view: InstanceView = {
  id: uuid,
  name: 'web-1',
  spec: instanceSpecSchema.parse({
    name: 'web-1',
    cpus: 1,
    memoryMiB: 64,
    boot: { from: 'kernel', kernel: '/boot/vmlinuz' },
    components: { d0: { kind: 'nvme-disk', backend: 'f0', serial: 's' }, f0: disk() },
  }),
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
const host = {
  hostId: uuid,
  name: 'north',
  release: '0.1.0',
  peer: { host: '10.0.0.1', port: 7701 },
  accepts: { peerProtocol: [1], instanceSpec: [1], vmmState: [1] },
  drivers: [],
};

function disk(path = '/d0') {
  return { kind: 'file-storage', path, format: 'raw', cache: 'none', readOnly: false } as const;
}

/** An agent that serves `versions` alone and answers by them with `answers`, by path. */
function agentOf(versions: readonly string[], answers: Readonly<Record<string, Answer>>): Answer {
  return (asked, response) => {
    if (asked.url === '/') return json(200, { apiVersions: versions })(asked, response);
    const answer = answers[asked.url];
    if (answer === undefined) {
      const message = `There is no endpoint ${asked.method} ${asked.url}.`;
      return json(404, { error: { code: 'endpoint-not-found', message, retryable: false } })(asked, response);
    }
    const version = String(asked.headers['api-version']);
    if (!versions.includes(version)) {
      const message = `This agent does not serve API version "${version}"; it serves ${versions.join(', ')}.`;
      return json(400, { error: { code: 'api-version-unknown', message, retryable: false } })(
        asked,
        response,
      );
    }
    answer(asked, response);
  };
}

describe('with an agent of API 1.0.0, the client', () => {
  const old = (answers: Readonly<Record<string, Answer>>) => fakeAgent(agentOf(['1.0.0'], answers));

  it('asks once which versions it serves, speaks the newest in common, and means the same (R8)', async () => {
    const shown = answersToV1.getInstance(view);
    expect(Object.keys(shown.spec)).not.toContain('clock');
    const { url, asked } = await old({ '/instances/web-1': json(200, shown) });
    const client = new AgentClient({ url });
    expect(await client.getInstance('web-1')).toEqual(view);
    expect(await client.getInstance('web-1')).toEqual(view);
    expect(asked.map((one) => [one.url, one.headers['api-version']])).toEqual([
      ['/instances/web-1', '4.0.0'],
      ['/', '4.0.0'],
      ['/instances/web-1', '1.0.0'],
      ['/instances/web-1', '1.0.0'],
    ]);
  });

  it('sends a spec in the version that the agent takes, or refuses with the feature in the way', async () => {
    const { url, asked } = await old({ '/instances': json(201, answersToV1.getInstance(view)) });
    const client = new AgentClient({ url });
    expect(await client.createInstance({ spec: writeInstanceSpec(view.spec) })).toEqual(view);
    expect(JSON.parse(String(asked.at(-1)?.body)).spec).toEqual(writeInstanceSpec(view.spec, [1]));
    const before = asked.length;
    const spec = writeInstanceSpec({ ...view.spec, clock: 'stopped' });
    await expect(client.createInstance({ spec })).rejects.toMatchObject({
      code: 'spec-not-convertible',
      message: `clock=stopped needs instance spec 3; the agent at ${url} accepts 1.`,
    });
    expect(asked).toHaveLength(before);
  });

  it('takes its host for what release 0.1 was', async () => {
    const { url } = await old({ '/host': json(200, host) });
    const client = new AgentClient({ url });
    const manifest = await client.getCompatibility();
    expect(manifest).toMatchObject({ release: '0.1.0', instanceSpec: [1], agentApi: ['1.0.0'] });
    expect((await client.getHost()).compatibility).toEqual(manifest);
    await expect(client.listInstances()).rejects.toMatchObject({ code: 'endpoint-not-found' });
  });

  it('refuses backends of the destination’s own, which that agent would not know', async () => {
    const { url, asked } = await old({ '/host': json(200, host) });
    const client = new AgentClient({ url });
    const destination = { host: '10.0.0.2', port: 7701 };
    const request = { instance: 'web-1', destination, settings: {}, backends: { f0: disk('/other') } };
    await expect(client.startMigration(request)).rejects.toMatchObject({
      code: 'api-version-too-old',
      message: expect.stringContaining('f0'),
    });
    // Only the agent's own refusal of a newer version went before.
    expect(asked.map((one) => one.url)).toEqual(['/migrations', '/']);
  });

  it('gives the events of a migration as they are in the newest version', async () => {
    const at = new Date().toISOString();
    const migration = {
      ...{ id: uuid, instanceId: uuid, instanceName: 'web-1', role: 'source', peer: 'b:1' },
      ...{ state: 'cancelled', phase: 'rounds', progress: null, report: null, error: null },
      ...{ startedAt: at, endedAt: at },
    };
    const { url, asked } = await old({
      [`/migrations/${uuid}/events`]: (_asked, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(`id: 1\ndata: ${JSON.stringify({ kind: 'ended', at, migration })}\n\n`);
      },
    });
    const events = [];
    for await (const event of new AgentClient({ url }).watchMigration(uuid)) events.push(event);
    const now = { ...migration, ownership: null, doubt: null };
    expect(events).toEqual([{ kind: 'ended', at, migration: now }]);
    expect(asked.at(-1)?.headers['api-version']).toBe('1.0.0');
  });
});

describe('with an agent of API 2.0.0, the client', () => {
  const at = new Date().toISOString();
  const migration: MigrationView = {
    ...({ id: uuid, instanceId: uuid, instanceName: 'web-1', role: 'source', peer: 'b:1' } as const),
    ...({ state: 'running', phase: 'rounds', progress: null, report: null, error: null } as const),
    ...{ startedAt: at, endedAt: null, ownership: null, doubt: null },
  };
  const old = () =>
    fakeAgent(
      agentOf(['1.0.0', '2.0.0'], {
        '/instances': json(200, { items: [view] }),
        '/instances/web-1/stop': json(200, view),
        '/instances/web-1': json(200, { deleted: true }),
        '/migrations': (asked, response) => {
          const shown = migrationToV2(migration);
          json(200, asked.method === 'GET' ? { items: [shown] } : shown)(asked, response);
        },
      }),
    );
  const vmm = {
    state: view.state,
    instanceName: 'web-1',
    migration: { id: uuid, role: 'source', state: 'running' },
    ended: null,
  };

  it('has its VMMs from its instances and migrations, and none that ended', async () => {
    const client = new AgentClient(await old());
    expect(await client.listVmms()).toEqual([vmm]);
    expect(await client.getVmm(uuid)).toEqual(vmm);
    await expect(client.getVmm('00000000-0000-4000-8000-000000000002')).rejects.toMatchObject({
      code: 'vmm-not-found',
      status: 404,
    });
    expect(await client.acknowledgeVmm(uuid, '1')).toBe(false);
    expect(await client.listMigrations()).toEqual([migration]);
  });

  it('asks it for nothing that it would do in another way, and says what needs which version (R7)', async () => {
    const { url, asked } = await old();
    const client = new AgentClient({ url });
    const destination = { host: 'b', port: 1 };
    const settings = {};
    const refusals = [
      () => client.startMigration({ id: uuid, instance: 'web-1', destination, settings }),
      () => client.stopInstance('web-1', { vmm: uuid }),
      () => client.deleteInstance('web-1', { vmm: uuid }),
      () => client.checkPreflight({ role: 'source', instance: 'web-1' }),
      () => client.getOwnership(uuid),
      () => client.resolveMigration(uuid, { decision: 'take-back', lostHost: 'b:1', reason: 'It burnt.' }),
    ];
    for (const refuse of refusals) {
      await expect(refuse()).rejects.toMatchObject({
        code: 'api-version-too-old',
        message: expect.stringMatching(
          / needs agent API 3\.0\.0, and the agent at http.*; upgrade that agent\.$/,
        ),
      });
    }
    // What it was asked was in a version that it refuses whole.
    expect(asked.filter((one) => one.headers['api-version'] === '2.0.0')).toEqual([]);
    expect(await client.stopInstance('web-1')).toEqual(view);
    await client.deleteInstance('web-1');
    expect(await client.startMigration({ instance: 'web-1', destination, settings })).toEqual(migration);
  });
});

describe('with an agent of API 3.0.0, the client', () => {
  it('asks for a preflight, and refuses to compare a processor that the agent would not look at (R7)', async () => {
    const { url, asked } = await fakeAgent(
      agentOf(['1.0.0', '2.0.0', '3.0.0'], { '/preflights': json(200, { findings: [] }) }),
    );
    const client = new AgentClient({ url });
    expect(await client.checkPreflight({ role: 'source', instance: 'web-1' })).toEqual({
      findings: [],
      cpu: null,
    });
    const arrival = { role: 'destination', instanceId: uuid, spec: writeInstanceSpec(view.spec) } as const;
    await client.checkPreflight({ ...arrival, cpu: null });
    expect(JSON.parse(String(asked.at(-1)?.body))).toEqual(arrival);
    const before = asked.length;
    const cpu = { cpuid: [{ leaf: 7, subleaf: 0, eax: 0, ebx: 0x20, ecx: 0, edx: 0 }], msrs: [] };
    await expect(client.checkPreflight({ ...arrival, cpu })).rejects.toMatchObject({
      code: 'api-version-too-old',
      message: `Comparing what a guest was promised of its processor needs agent API 4.0.0, and the agent at ${url} serves an older one; upgrade that agent.`,
    });
    expect(asked).toHaveLength(before);
  });
});

describe('with an agent that', () => {
  it('serves no version in common, the client names both sides (R7)', async () => {
    const { url } = await fakeAgent(agentOf(['5.0.0'], {}));
    await expect(new AgentClient({ url }).getHost()).rejects.toMatchObject({
      code: 'agent-version-unsupported',
      message: expect.stringMatching(
        /serves agent API 5\.0\.0, and this client speaks 1\.0\.0, 2\.0\.0, 3\.0\.0, 4\.0\.0/,
      ),
    });
  });

  it('does not say what it serves, the client does not guess', async () => {
    const error = { code: 'api-version-unknown', message: 'No.', retryable: false };
    const { url, asked } = await fakeAgent(json(400, { error }), json(200, { hello: 1 }));
    await expect(new AgentClient({ url }).getHost()).rejects.toMatchObject({
      code: 'agent-response-invalid',
    });
    expect(asked).toHaveLength(2);
  });

  it('is rolled back while the client lives, the client speaks the older version from then on', async () => {
    const answers = { '/instances/web-1': json(200, view) };
    let agent = agentOf(['1.0.0', '2.0.0', '3.0.0', '4.0.0'], answers);
    const { url } = await fakeAgent((asked, response) => agent(asked, response));
    const client = new AgentClient({ url });
    expect(await client.getInstance('web-1')).toEqual(view);
    agent = agentOf(['1.0.0'], { '/instances/web-1': json(200, answersToV1.getInstance(view)) });
    expect(await client.getInstance('web-1')).toEqual(view);
  });
});
