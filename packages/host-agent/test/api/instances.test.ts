import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { spec, startTestAgent } from '../support/agent.js';
import { error } from '../support/fake-driver.js';
import { until } from '../support/until.js';

describe('an instance over the API', () => {
  it('is created, started, found by id and name, stopped and deleted', async () => {
    const { agent, client, host, root } = await startTestAgent();
    const created = await client.createInstance({ spec: spec('web-1') });
    expect(created.state).toMatchObject({ life: 'stopped', epoch: '1', pid: null, accelerator: null });
    const started = await client.startInstance('web-1');
    expect(started.state).toMatchObject({ life: 'running', accelerator: 'tcg', machineType: 'pc-q35-7.2' });
    expect(started.consoleSocket).toContain(join(root, 'run'));
    expect(host.running(created.id)).toHaveLength(1);
    expect(await client.getInstance(created.id)).toEqual(await client.getInstance('web-1'));
    expect((await client.listInstances()).map(({ name }) => name)).toEqual(['web-1']);
    const stopped = await client.stopInstance('web-1');
    expect(stopped.state).toMatchObject({ life: 'stopped', pid: null, error: null });
    await client.deleteInstance('web-1');
    expect(await client.listInstances()).toEqual([]);
    expect(readdirSync(join(root, 'state', 'instances'))).toEqual([]);
    expect(readdirSync(join(root, 'run', agent.hostId.slice(0, 8)))).toEqual([]);
  });

  it('raises its generation at every publication and never lowers it (R10)', async () => {
    const { client } = await startTestAgent();
    const generations: bigint[] = [];
    const note = ({ state }: { state: { generation: string } }) => generations.push(BigInt(state.generation));
    note(await client.createInstance({ spec: spec('web-1') }));
    note(await client.startInstance('web-1'));
    note(await client.stopInstance('web-1'));
    note(await client.startInstance('web-1'));
    expect(generations).toEqual(generations.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(new Set(generations).size).toBe(generations.length);
  });

  it('has a new VMM at every start and keeps what was decided at the first', async () => {
    const { client } = await startTestAgent();
    const first = await client.createInstance({ spec: spec('web-1'), start: true });
    await client.stopInstance('web-1', { force: true });
    const second = await client.startInstance('web-1');
    expect(second.state.vmmId).not.toBe(first.state.vmmId);
    expect(second.state.machineType).toBe(first.state.machineType);
  });

  it('is made once when two ask for the same name at the same time', async () => {
    const { client, host } = await startTestAgent();
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, () => client.createInstance({ spec: spec('web-1'), start: true })),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'instance-name-taken' });
    }
    expect(host.launches).toBe(1);
  });

  it('is started once when two start it at the same time (R1)', async () => {
    const { client, host } = await startTestAgent();
    const { id } = await client.createInstance({ spec: spec('web-1') });
    const results = await Promise.allSettled([client.startInstance('web-1'), client.startInstance('web-1')]);
    const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
    expect(refusals).toHaveLength(1);
    expect(['instance-busy', 'instance-not-stopped']).toContain(refusals[0]);
    expect(host.running(id)).toHaveLength(1);
  });

  it('refuses an id that is here already', async () => {
    const { client } = await startTestAgent();
    const { id } = await client.createInstance({ spec: spec('web-1') });
    await expect(client.createInstance({ id, spec: spec('web-2') })).rejects.toMatchObject({
      code: 'instance-already-here',
    });
  });

  it('is refused at once when this host could not start it, and leaves nothing', async () => {
    const { client, host, root } = await startTestAgent();
    host.failCheck = error('boot-file-missing', 'The kernel /boot/vmlinuz does not exist.');
    await expect(client.createInstance({ spec: spec('web-1') })).rejects.toMatchObject({
      code: 'boot-file-missing',
    });
    expect(await client.listInstances()).toEqual([]);
    expect(readdirSync(join(root, 'state', 'instances'))).toEqual([]);
  });

  it('leaves nothing when it cannot be made (R12)', async () => {
    const { client, host, root } = await startTestAgent();
    host.failLaunch = error('qemu-start-failed', 'QEMU ended at once: no such kernel.');
    await expect(client.createInstance({ spec: spec('web-1'), start: true })).rejects.toMatchObject({
      code: 'qemu-start-failed',
      message: 'QEMU ended at once: no such kernel.',
    });
    expect(await client.listInstances()).toEqual([]);
    expect(readdirSync(join(root, 'state', 'instances'))).toEqual([]);
    expect(host.vmms.size).toBe(0);
  });

  it('ends the VMM of a start that fails half-way, and says why it is stopped', async () => {
    const { client, host } = await startTestAgent();
    await client.createInstance({ spec: spec('web-1') });
    host.failResume = error('qmp-timeout', 'QEMU did not answer.');
    await expect(client.startInstance('web-1')).rejects.toMatchObject({ code: 'qmp-timeout' });
    expect(host.vmms.size).toBe(0);
    const { state } = await client.getInstance('web-1');
    expect(state).toMatchObject({ life: 'stopped', pid: null, error: { code: 'qmp-timeout' } });
    host.failResume = null;
    expect((await client.startInstance('web-1')).state).toMatchObject({ life: 'running', error: null });
  });

  it('is refused by name when a device of it writes past the tracker', async () => {
    const { client } = await startTestAgent();
    const network = spec('web-1', {
      components: {
        nic0: { kind: 'virtio-nic', backend: 'net0', mac: '52:54:00:00:00:01' },
        net0: { kind: 'vhost-user-network', socket: '/run/vhost.sock' },
      },
    });
    await expect(client.createInstance({ spec: network })).rejects.toMatchObject({
      code: 'ram-mode-refused',
      message: expect.stringContaining('net0 is a vhost-user backend'),
    });
  });

  it('stops when its guest powers off, and fails with the reason when its VMM ends', async () => {
    const { client, host } = await startTestAgent();
    const cases = [
      ['guest-shutdown', 'guest-stopped', 'stopped', null],
      ['guest-panicked', 'guest-panicked', 'failed', 'guest-panicked'],
      ['exited', 'gone', 'failed', 'vmm-ended'],
      ['failed', 'failed', 'failed', 'vmm-ended'],
    ] as const;
    await client.createInstance({ spec: spec('web-1') });
    for (const [kind, status, life, code] of cases) {
      const { state } = await client.startInstance('web-1');
      host.vmms.get(state.vmmId)?.happen({ kind, message: `It ${kind}.` }, status);
      const after = await until(
        () => client.getInstance('web-1'),
        (view) => view.state.life === life && view.state.pid === null,
      );
      expect(after.state.error?.code ?? null).toBe(code);
      if (code) expect(after.state.error?.message).toBe(`It ${kind}.`);
      expect(host.vmms.size).toBe(0);
    }
  });

  it('goes on when its guest is reset', async () => {
    const { client, host } = await startTestAgent();
    const { state } = await client.createInstance({ spec: spec('web-1'), start: true });
    host.vmms.get(state.vmmId)?.happen({ kind: 'guest-reset', message: 'The guest was reset.' }, 'running');
    expect((await client.getInstance('web-1')).state.life).toBe('running');
  });

  it('is not stopped against its will without force', async () => {
    const { client, host } = await startTestAgent();
    const { state } = await client.createInstance({ spec: spec('web-1'), start: true });
    const vmm = host.vmms.get(state.vmmId);
    if (vmm) vmm.powersDown = false;
    await expect(client.stopInstance('web-1')).rejects.toMatchObject({
      code: 'guest-did-not-stop',
      retryable: true,
    });
    expect((await client.getInstance('web-1')).state.life).toBe('running');
    expect((await client.stopInstance('web-1', { force: true })).state.life).toBe('stopped');
  });

  it('is not deleted while it runs', async () => {
    const { client } = await startTestAgent();
    await client.createInstance({ spec: spec('web-1'), start: true });
    await expect(client.deleteInstance('web-1')).rejects.toMatchObject({ code: 'instance-not-stopped' });
  });

  it('shows the end of its console log, and nothing before there is one', async () => {
    const { client } = await startTestAgent();
    const { logFile } = await client.createInstance({ spec: spec('web-1') });
    expect(await client.getInstanceLog('web-1')).toBe('');
    writeFileSync(String(logFile), `${'x'.repeat(100)}\nlast line\n`);
    expect(await client.getInstanceLog('web-1', { tailBytes: 10 })).toBe('last line\n');
    expect(existsSync(String(logFile))).toBe(true);
  });

  it('is named in the refusal when it is not here', async () => {
    const { client } = await startTestAgent();
    await expect(client.getInstance('nobody')).rejects.toMatchObject({
      code: 'instance-not-found',
      status: 404,
      message: expect.stringContaining('"nobody"'),
    });
  });
});
