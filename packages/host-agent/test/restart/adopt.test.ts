import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InstanceView } from '@drover/protocol';
import { describe, expect, it } from 'vitest';
import { spec, startTestAgent, type TestAgent } from '../support/agent.js';
import { interruptedAt } from '../support/interrupted.js';
import { until } from '../support/until.js';

/** A running instance and its agent. */
async function running(): Promise<{ test: TestAgent; instance: InstanceView }> {
  const test = await startTestAgent();
  const instance = await test.client.createInstance({ spec: spec('web-1'), start: true });
  return { test, instance };
}

describe('an agent that is restarted', () => {
  it('stops no guest and finds every VMM again (R11)', async () => {
    const { test, instance } = await running();
    const vmm = test.host.vmms.get(instance.state.vmmId);
    await test.restart(() => {
      expect(vmm?.state).toBe('running');
      expect(vmm?.released).toBe(1);
    });
    const after = await test.client.getInstance('web-1');
    expect(after.state).toMatchObject({
      life: 'running',
      pid: instance.state.pid,
      vmmId: instance.state.vmmId,
    });
    expect(BigInt(after.state.generation)).toBeGreaterThan(BigInt(instance.state.generation));
    expect(vmm?.state).toBe('running');
    await test.client.stopInstance('web-1', { force: true });
    expect(test.host.vmms.size).toBe(0);
  });

  it('keeps stopped instances as they were', async () => {
    const test = await startTestAgent();
    const created = await test.client.createInstance({ spec: spec('web-1') });
    await test.restart();
    const after = await test.client.getInstance(created.id);
    expect({ ...after.state, generation: '' }).toEqual({ ...created.state, generation: '' });
    expect(after.spec).toEqual(created.spec);
  });

  it('resumes a guest of its own that it left paused', async () => {
    const { test, instance } = await running();
    const vmm = test.host.vmms.get(instance.state.vmmId);
    await test.restart(async () => {
      await vmm?.pause();
    });
    expect((await test.client.getInstance('web-1')).state.life).toBe('running');
    expect(vmm?.state).toBe('running');
  });

  it('shows an instance whose VMM has gone as failed, and starts it again when asked', async () => {
    const { test, instance } = await running();
    await test.restart(() => test.host.vmms.get(instance.state.vmmId)?.destroy());
    const { state } = await test.client.getInstance('web-1');
    expect(state).toMatchObject({ life: 'failed', pid: null, error: { code: 'vmm-lost' } });
    expect((await test.client.startInstance('web-1')).state.life).toBe('running');
  });

  it('shows an instance whose guest powered off meanwhile as stopped', async () => {
    const { test, instance } = await running();
    const vmm = test.host.vmms.get(instance.state.vmmId);
    await test.restart(() => {
      if (vmm) vmm.state = 'guest-stopped';
    });
    await until(
      () => test.client.getInstance('web-1'),
      ({ state }) => state.life === 'stopped',
    );
    expect(test.host.vmms.size).toBe(0);
  });

  it('never starts a second VMM beside one that does not answer (R1)', async () => {
    const { test, instance } = await running();
    await test.restart(() => {
      test.host.deaf.add(instance.state.vmmId);
    });
    expect((await test.client.getInstance('web-1')).state).toMatchObject({
      life: 'failed',
      error: { code: 'qmp-timeout' },
    });
    await expect(test.client.startInstance('web-1')).rejects.toMatchObject({ code: 'qmp-timeout' });
    expect(test.host.launches).toBe(1);
    test.host.deaf.clear();
    await test.client.startInstance('web-1');
    expect(test.host.running(instance.id)).toHaveLength(1);
    expect(test.host.vmms.size).toBe(1);
  });

  it('goes on with the guest of an outgoing migration that was cut off before the handover (R2)', async () => {
    const { test, instance } = await running();
    let id = '';
    await test.restart(async () => {
      await test.host.vmms.get(instance.state.vmmId)?.pause();
      id = await interruptedAt(test, instance, 'source', [['owned', 1n]]);
    });
    expect((await test.client.getInstance('web-1')).state).toMatchObject({ life: 'running', epoch: '1' });
    expect(await test.client.getMigration(id)).toMatchObject({
      state: 'failed',
      error: { code: 'migration-interrupted', retryable: true },
    });
  });

  it('keeps a relinquished guest paused, and refuses everything that could make it run (R1, R4)', async () => {
    const { test, instance } = await running();
    const vmm = test.host.vmms.get(instance.state.vmmId);
    let id = '';
    await test.restart(async () => {
      // Even a guest that runs, against all that was journaled, is paused.
      id = await interruptedAt(test, instance, 'source', [
        ['owned', 1n],
        ['relinquished', 2n],
      ]);
    });
    expect(vmm?.state).toBe('paused');
    expect((await test.client.getInstance('web-1')).state.life).toBe('in-doubt');
    expect((await test.client.getMigration(id)).state).toBe('in-doubt');
    for (const attempt of [
      () => test.client.startInstance('web-1'),
      () => test.client.stopInstance('web-1', { force: true }),
      () => test.client.deleteInstance('web-1'),
      () =>
        test.client.startMigration({
          instance: 'web-1',
          destination: { host: '127.0.0.1', port: 9 },
          settings: {},
        }),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: 'instance-in-doubt' });
    }
    await test.restart();
    expect(vmm?.state).toBe('paused');
    expect((await test.client.getInstance('web-1')).state.life).toBe('in-doubt');
  });

  it('takes back what the destination declined, with the epoch that the journal gave it', async () => {
    const { test, instance } = await running();
    await test.restart(async () => {
      await interruptedAt(test, instance, 'source', [
        ['owned', 1n],
        ['relinquished', 2n],
        ['taken-back', 3n],
      ]);
    });
    expect((await test.client.getInstance('web-1')).state).toMatchObject({ life: 'running', epoch: '3' });
  });

  it('removes what is left of an instance that moved away, and keeps its console log with the migration', async () => {
    const { test, instance } = await running();
    let id = '';
    await test.restart(async () => {
      writeFileSync(String(instance.logFile), 'its last words\n');
      id = await interruptedAt(test, instance, 'source', [
        ['owned', 1n],
        ['relinquished', 2n],
        ['done', 2n],
      ]);
    });
    expect(await test.client.listInstances()).toEqual([]);
    expect(test.host.vmms.size).toBe(0);
    expect((await test.client.getMigration(id)).state).toBe('completed');
    const log = join(test.root, 'state', 'migrations', `${id}.serial.log`);
    expect(readFileSync(log, 'utf8')).toBe('its last words\n');
  });

  it('tears down an arrival that never became ready', async () => {
    const { test, instance } = await running();
    let id = '';
    await test.restart(async () => {
      id = await interruptedAt(test, instance, 'destination', [['preparing', 2n]]);
    });
    expect(await test.client.listInstances()).toEqual([]);
    expect(test.host.vmms.size).toBe(0);
    expect(readdirSync(join(test.root, 'state', 'instances'))).toEqual([]);
    expect((await test.client.getMigration(id)).state).toBe('failed');
  });

  it('leaves an arrival that is ready paused, waiting for the source to speak (R4)', async () => {
    const { test, instance } = await running();
    const vmm = test.host.vmms.get(instance.state.vmmId);
    let id = '';
    await test.restart(async () => {
      await vmm?.pause();
      id = await interruptedAt(test, instance, 'destination', [
        ['preparing', 2n],
        ['ready', 2n],
      ]);
    });
    expect(vmm?.state).toBe('paused');
    expect((await test.client.getInstance('web-1')).state.life).toBe('migrating-in');
    expect(await test.client.getMigration(id)).toMatchObject({ state: 'running', endedAt: null });
    await expect(test.client.stopInstance('web-1', { force: true })).rejects.toMatchObject({
      code: 'instance-busy',
    });
  });

  it('keeps an arrival that is ready although its VMM does not say how it is: the source may rely on it (R2, R4)', async () => {
    const { test, instance } = await running();
    const vmm = test.host.vmms.get(instance.state.vmmId);
    let id = '';
    await test.restart(async () => {
      await vmm?.pause();
      if (vmm) vmm.status = () => Promise.reject(new Error('It does not answer.'));
      id = await interruptedAt(test, instance, 'destination', [
        ['preparing', 2n],
        ['ready', 2n],
      ]);
    });
    expect((await test.client.getInstance('web-1')).state.life).toBe('migrating-in');
    expect(await test.client.getMigration(id)).toMatchObject({ state: 'running', endedAt: null });
  });

  it('tears down an arrival whose READY came before its VMM had all of the guest: it was never said (R4, R12)', async () => {
    const { test, instance } = await running();
    const vmm = test.host.vmms.get(instance.state.vmmId);
    let id = '';
    await test.restart(async () => {
      if (vmm) vmm.state = 'incomplete';
      id = await interruptedAt(test, instance, 'destination', [
        ['preparing', 2n],
        ['ready', 2n],
      ]);
    });
    expect(await test.client.listInstances()).toEqual([]);
    expect(test.host.vmms.size).toBe(0);
    expect((await test.client.getMigration(id)).state).toBe('failed');
    expect((await test.client.getOwnership(id)).destination).toMatchObject({ state: 'aborted' });
  });

  it('runs an arrival whose ownership was journaled just before the agent died (R2)', async () => {
    const { test, instance } = await running();
    const vmm = test.host.vmms.get(instance.state.vmmId);
    let id = '';
    await test.restart(async () => {
      await vmm?.pause();
      id = await interruptedAt(test, instance, 'destination', [
        ['preparing', 2n],
        ['ready', 2n],
        ['owned', 2n],
      ]);
    });
    expect(vmm?.state).toBe('running');
    expect((await test.client.getInstance('web-1')).state).toMatchObject({ life: 'running', epoch: '2' });
    expect((await test.client.getMigration(id)).state).toBe('completed');
  });

  it('runs nothing that the journal says has a later owner, whatever the record says (R1)', async () => {
    const { test, instance } = await running();
    const vmm = test.host.vmms.get(instance.state.vmmId);
    const file = join(test.root, 'state', 'instances', instance.id, 'instance.json');
    const before = readFileSync(file, 'utf8');
    await test.restart(async () => {
      await interruptedAt(test, instance, 'source', [
        ['owned', 1n],
        ['relinquished', 2n],
      ]);
      writeFileSync(file, before);
    });
    expect(vmm?.state).toBe('paused');
    expect((await test.client.getInstance('web-1')).state.life).toBe('in-doubt');
  });

  it('refuses to start over a journal that is damaged, and over a record that it cannot read', async () => {
    const { test, instance } = await running();
    const journal = join(test.root, 'state', 'journal', 'ownership.log');
    const record = join(test.root, 'state', 'instances', instance.id, 'instance.json');
    for (const [file, code] of [
      [journal, 'journal-damaged'],
      [record, 'instance-record-damaged'],
    ] as const) {
      let good = '';
      await expect(
        test.restart(() => {
          good = readFileSync(file, 'latin1');
          writeFileSync(file, good.replace('"', 'x'), 'latin1');
        }),
      ).rejects.toMatchObject({ code, message: expect.stringContaining(file) });
      writeFileSync(file, good, 'latin1');
    }
    await test.restart();
    expect((await test.client.getInstance('web-1')).state.life).toBe('running');
  });

  it('clears away a directory in which no instance was ever recorded', async () => {
    const test = await startTestAgent();
    const left = join(test.root, 'state', 'instances', randomUUID());
    await test.restart(() => {
      mkdirSync(left);
    });
    expect(existsSync(left)).toBe(false);
  });
});
