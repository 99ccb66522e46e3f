import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FleetInstance, HostView } from '@drover/protocol';
import { expect, it, onTestFinished } from 'vitest';
import { fullSpec, spec, startTestPlane, type TestPlane, until } from '../support/control-plane.js';

const stateOf = async (test: TestPlane, host: string) =>
  (await test.ask<HostView>('GET', `/hosts/${host}`)).body.state;

it.each(['refuse', 'hang', 'error'] as const)(
  'calls a host unreachable that answers with %s, and nothing is concluded for its guests',
  async (fault) => {
    const test = await startTestPlane({ watchPeriodMs: 800, agents: { timeoutMs: 500 } });
    const host = await test.host({ name: 'north' });
    const other = await test.host({ name: 'south' });
    const { vmmId } = host.addInstance(fullSpec('web'));
    await until(async () => (await test.ask('GET', `/vmms/${vmmId}`)).status === 200);
    host.faults.set('*', fault);
    await until(async () => (await stateOf(test, 'north')) === 'unreachable');
    const { vmm, problem, desired } = await test.instance('web');
    expect({ life: vmm?.state.life, ended: vmm?.ended, current: vmm?.current, problem, desired }).toEqual({
      life: 'running',
      ended: null,
      current: false,
      problem: null,
      desired: 'running',
    });
    expect(await stateOf(test, 'south')).toBe('active');
    const stopped = await test.ask<FleetInstance>('POST', '/instances/web/stop', {});
    expect(stopped.body.problem?.code).toBe('host-unreachable');
    host.faults.clear();
    await until(async () => (await stateOf(test, 'north')) === 'active');
    await until(async () => (await test.vmm(vmmId)).state.life === 'stopped');
    await until(async () => (await test.instance('web')).problem === null);
    expect(other.instances.size).toBe(0);
  },
);

it('ignores an agent that lies about generations going backwards (R10)', async () => {
  const test = await startTestPlane({ watchPeriodMs: 500 });
  const host = await test.host();
  const { vmmId } = host.addInstance(fullSpec('web'));
  for (let n = 0; n < 5; n += 1) host.publish(vmmId, { life: n % 2 ? 'running' : 'paused' });
  await until(async () => (await test.ask('GET', `/vmms/${vmmId}`)).status === 200);
  await until(async () => (await test.vmm(vmmId)).state.generation === '6');
  host.faults.set('*', 'old-generations');
  const asked = host.requests.length;
  await until(() => host.requests.slice(asked).filter(({ endpoint }) => endpoint === 'listVmms').length >= 3);
  expect((await test.vmm(vmmId)).state).toMatchObject({ generation: '6', life: 'paused' });
});

it('leaves a VMM with the host that it was first seen on, whoever claims it', async () => {
  const test = await startTestPlane({ watchPeriodMs: 500 });
  const owner = await test.host({ name: 'owner' });
  const thief = await test.host({ name: 'thief' });
  const instance = owner.addInstance(fullSpec('web'));
  await until(async () => (await test.ask('GET', `/vmms/${instance.vmmId}`)).status === 200);
  thief.addInstance(fullSpec('web'), { id: instance.id, vmmId: instance.vmmId, life: 'failed' });
  for (let n = 0; n < 9; n += 1) thief.publish(instance.vmmId);
  const asked = thief.requests.length;
  await until(
    () => thief.requests.slice(asked).filter(({ endpoint }) => endpoint === 'listVmms').length >= 2,
  );
  expect(await test.vmm(instance.vmmId)).toMatchObject({ hostName: 'owner', state: { life: 'running' } });
});

it('takes no states from an agent that is another than the one that registered', async () => {
  const test = await startTestPlane({ watchPeriodMs: 500 });
  const real = await test.host({ name: 'real' });
  const { vmmId } = real.addInstance(fullSpec('web'));
  const id = '00000000-0000-4000-8000-000000000001';
  await test.ask('PUT', `/hosts/${id}`, { name: 'mask', url: real.url });
  await until(async () => (await stateOf(test, 'mask')) === 'unreachable');
  expect((await test.ask<HostView>('GET', '/hosts/mask')).body.reason).toContain('real');
  await until(async () => (await test.ask('GET', `/vmms/${vmmId}`)).status === 200);
  expect((await test.vmm(vmmId)).hostName).toBe('real');
});

it('keeps a terminal state with its agent until it is stored and acknowledged, however often that fails (R10)', async () => {
  const test = await startTestPlane({ watchPeriodMs: 500 });
  const host = await test.host();
  const instance = host.addInstance(fullSpec('web'));
  await until(async () => (await test.ask('GET', `/vmms/${instance.vmmId}`)).status === 200);
  host.faults.set('acknowledgeVmm', 'error');
  host.instances.delete(instance.id);
  host.end(instance.vmmId, 'deleted', { life: 'stopped' });
  await until(async () => (await test.vmm(instance.vmmId)).ended !== null);
  const failed = () => host.requests.filter(({ endpoint }) => endpoint === 'acknowledgeVmm').length;
  await until(() => failed() >= 2);
  expect(host.vmms.has(instance.vmmId)).toBe(true);
  host.faults.clear();
  await until(() => !host.vmms.has(instance.vmmId));
  expect((await test.vmm(instance.vmmId)).ended?.reason).toBe('deleted');
  expect((await test.instance('web')).problem?.code).toBe('instance-vanished');
});

it('asks once more before it believes that a VMM is gone of which nobody told the end', async () => {
  const test = await startTestPlane({ watchPeriodMs: 500 });
  const host = await test.host({ keepsEnded: false });
  const { id, vmmId } = host.addInstance(fullSpec('web'));
  await until(async () => (await test.ask('GET', `/vmms/${vmmId}`)).status === 200);
  host.instances.delete(id);
  host.vmms.delete(vmmId);
  await until(async () => (await test.vmm(vmmId)).ended !== null);
  expect(host.requests.some(({ endpoint, path }) => endpoint === 'getVmm' && path.includes(vmmId))).toBe(
    true,
  );
});

it('declares a host lost only by its name once more, takes it not back, and makes its guests anew elsewhere only when asked', async () => {
  const test = await startTestPlane();
  const lost = await test.host({ name: 'lost' });
  await test.ask('POST', '/instances', { spec: spec('web') });
  await until(async () => (await test.instance('web')).vmm?.state.life === 'running');
  const next = await test.host({ name: 'next' });
  lost.faults.set('*', 'refuse');
  expect((await test.ask('POST', '/hosts/lost/lost', { confirm: 'next', reason: 'r' })).body.error.code).toBe(
    'host-not-confirmed',
  );
  const declared = await test.ask<HostView>('POST', '/hosts/lost/lost', {
    confirm: 'lost',
    reason: 'it burnt',
  });
  expect(declared.body).toMatchObject({ state: 'lost', vmms: 0 });
  expect((await test.instance('web')).vmm).toBe(null);
  expect((await test.instance('web')).problem?.code).toBe('host-lost');
  lost.faults.clear();
  const again = await lost.register();
  expect([again.status, ((await again.json()) as { error: { code: string } }).error.code]).toEqual([
    409,
    'host-lost',
  ]);
  expect(next.instances.size, 'nothing is made before somebody asks').toBe(0);
  await test.ask('POST', '/instances/web/start');
  await until(async () => (await test.instance('web')).vmm?.hostName === 'next');
  expect((await test.ask('DELETE', '/hosts/next')).body.error.code).toBe('host-not-empty');
  expect((await test.ask('DELETE', '/hosts/lost')).status).toBe(200);
  expect((await test.ask('GET', '/hosts/lost')).status).toBe(404);
});

it('declares a host lost by a fencing command that exits with 0, and by no other', {
  timeout: 40_000,
}, async () => {
  const root = mkdtempSync(join(tmpdir(), 'drover-fence-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const log = join(root, 'log');
  const script = join(root, 'fence.sh');
  writeFileSync(
    script,
    `#!/bin/sh\necho "$DROVER_HOST_NAME $1" >> ${log}\ntest -e ${join(root, 'works')}\n`,
    { mode: 0o755 },
  );
  const test = await startTestPlane({
    watchPeriodMs: 500,
    fence: { command: [script, 'off'], afterMs: 1_000, timeoutMs: 1_000 },
  });
  const host = await test.host({ name: 'north' });
  host.faults.set('*', 'refuse');
  await until(() => read(log) !== '');
  expect(read(log).split('\n')[0]).toBe('north off');
  expect(await stateOf(test, 'north')).toBe('unreachable');
  writeFileSync(join(root, 'works'), '');
  await until(async () => (await stateOf(test, 'north')) === 'lost', 30_000);
});

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

it.each(['1.0.0', '2.0.0'] as const)(
  'works with agents of API %s, by their lists of instances',
  async (api) => {
    const test = await startTestPlane({ watchPeriodMs: 500 });
    const host = await test.host({ api, name: 'old' });
    const { vmmId } = host.addInstance(fullSpec('web'));
    await until(async () => (await test.ask('GET', `/vmms/${vmmId}`)).status === 200);
    host.publish(vmmId, { life: 'paused' });
    await until(async () => (await test.vmm(vmmId)).state.life === 'paused');
    await test.ask('POST', '/instances/web/stop', {});
    await until(async () => (await test.instance('web')).vmm?.state.life === 'stopped');
    await test.ask('DELETE', '/instances/web');
    await until(async () => (await test.ask('GET', '/instances/web')).status === 404);
  },
);
